/* Ports, volumes and config files of a service. */
import type { VolumeOfService } from "~/api/types";
import { settings } from "~/text/settings";
import { CheckField, SelectField, TextArea, TextField } from "~/ui/field";
import { Segments } from "~/ui/segments";
import type { Kind } from "./item-section";
import { numberOf, textOf } from "./numbers";
import type { ItemValues } from "./overlay";
import { PortField } from "./port-field";

export function portKind(known: readonly number[]): Kind<"ports", { host: string; forwarded: string }> {
  const t = settings.ports;
  return {
    field: "ports",
    add: t.add,
    name: (v) => t.name(v.host),
    describe: (v) => <span className="font-mono">{t.words(v.host, v.forwarded)}</span>,
    draft: (v) => ({ host: textOf(v?.host ?? null), forwarded: textOf(v?.forwarded ?? (known.length === 1 ? (known[0] ?? null) : null)) }),
    body: (d) => ({ host: numberOf(d.host), forwarded: numberOf(d.forwarded) }),
    paths: ["host", "forwarded"],
    removeLead: () => t.removeLead,
    fields: ({ draft, set, errors }) => (
      <div className="grid items-start gap-4 sm:grid-cols-2">
        <PortField label={t.host} value={draft.host} onValue={(host) => set({ ...draft, host })} errors={errors("host")} known={[]} />
        <PortField label={t.forwarded} value={draft.forwarded} onValue={(forwarded) => set({ ...draft, forwarded })} errors={errors("forwarded")} known={known} />
      </div>
    ),
  };
}

interface VolumeDraft {
  name: string;
  container_path: string;
  host: boolean;
  host_path: string;
  write: boolean;
}

export const volumeKind: Kind<"volumes", VolumeDraft> = {
  field: "volumes",
  add: settings.volumes.add,
  name: (v) => v.name,
  describe: (v) => <Mount name={v.name} path={v.container_path} note={`${v.host_path ? `${settings.volumes.host} ${v.host_path}, ` : ""}${v.mode === "READ_ONLY" ? settings.volumes.readOnly : settings.volumes.readWrite}`} />,
  draft: (v) => ({ name: v?.name ?? "", container_path: v?.container_path ?? "", host: !!v?.host_path, host_path: v?.host_path ?? "", write: v?.mode !== "READ_ONLY" }),
  body: (d) => ({
    ...(d.name.trim() ? { name: d.name.trim() } : {}),
    container_path: d.container_path.trim(),
    ...(d.host ? { host_path: d.host_path.trim(), mode: "READ_ONLY" } : { host_path: null, mode: d.write ? "READ_WRITE" : "READ_ONLY" }),
  }),
  paths: ["name", "container_path", "host_path", "mode"],
  removeLead: (v) => (v.host_path ? settings.volumes.hostRemoveLead : settings.volumes.removeLead),
  fields: ({ draft, set, errors, adding }) => {
    const t = settings.volumes;
    return (
      <>
        {adding ? (
          <Segments
            showLabel
            label={t.kind}
            value={draft.host ? "host" : "managed"}
            choices={[
              { value: "managed", label: t.managed },
              { value: "host", label: t.host },
            ]}
            onChoose={(v) => set({ ...draft, host: v === "host" })}
          />
        ) : (
          <p className="text-sm text-muted">{t.hostFixed}</p>
        )}
        {draft.host && <TextField label={t.hostPath} hint={t.hostHint} mono value={draft.host_path} onChange={(e) => set({ ...draft, host_path: e.target.value })} errors={errors("host_path")} />}
        <TextField label={t.path} mono value={draft.container_path} onChange={(e) => set({ ...draft, container_path: e.target.value })} errors={errors("container_path")} />
        <TextField label={t.name} optional hint={t.nameHint} value={draft.name} onChange={(e) => set({ ...draft, name: e.target.value })} errors={errors("name")} />
        {!draft.host && <CheckField label={t.readOnly} checked={!draft.write} onChange={(e) => set({ ...draft, write: !e.target.checked })} errors={errors("mode")} />}
      </>
    );
  },
};

function Mount({ name, path, note }: { name: string; path: string; note: string }) {
  return (
    <span className="grid">
      <span>
        <span className="font-medium">{name}</span> <span className="font-mono text-sm">{path}</span>
      </span>
      <span className="text-sm text-muted">{note}</span>
    </span>
  );
}

export function sharedKind(volumes: readonly VolumeOfService[]): Kind<"shared_volumes", ItemValues["shared_volumes"]> {
  const t = settings.shared;
  const label = (id: string) => {
    const found = volumes.find((v) => v.id === id);
    return found ? t.of(found.name, found.service.slug) : t.gone;
  };
  return {
    field: "shared_volumes",
    add: t.add,
    name: (v) => label(v.volume_id),
    describe: (v) => <Mount name={label(v.volume_id)} path={v.container_path} note={settings.volumes.readOnly} />,
    draft: (v) => v ?? { volume_id: volumes[0]?.id ?? "", container_path: "" },
    body: (d) => ({ volume_id: d.volume_id, container_path: d.container_path.trim() }),
    paths: ["volume_id", "container_path"],
    removeLead: () => t.removeLead,
    fields: ({ draft, set, errors }) => (
      <>
        <SelectField label={t.volume} choices={volumes.map((v) => ({ value: v.id, label: t.of(v.name, v.service.slug) }))} value={draft.volume_id} onChange={(e) => set({ ...draft, volume_id: e.target.value })} errors={errors("volume_id")} />
        <TextField label={t.path} mono value={draft.container_path} onChange={(e) => set({ ...draft, container_path: e.target.value })} errors={errors("container_path")} />
      </>
    ),
  };
}

export const configKind: Kind<"configs", ItemValues["configs"]> = {
  field: "configs",
  wide: true,
  add: settings.configs.add,
  name: (v) => v.name,
  describe: (v) => <Mount name={v.name} path={v.mount_path} note={`${settings.configs.size(new TextEncoder().encode(v.contents).length)}, ${v.language}`} />,
  draft: (v) => v ?? { name: "", mount_path: "", contents: "", language: "plaintext" },
  body: (d) => ({ ...(d.name.trim() ? { name: d.name.trim() } : {}), mount_path: d.mount_path.trim(), contents: d.contents, language: d.language }),
  paths: ["name", "mount_path", "contents", "language"],
  removeLead: () => settings.configs.removeLead,
  more: ({ value }) => (
    <details>
      <summary className="text-sm text-muted">{settings.configs.show}</summary>
      {/* eslint-disable-next-line jsx-a11y/no-noninteractive-tabindex -- scrolls by keyboard */}
      <pre tabIndex={0} className="mt-1 max-h-72 overflow-auto rounded-md bg-sunken p-2 font-mono text-sm">
        {value.contents}
      </pre>
    </details>
  ),
  fields: ({ draft, set, errors }) => {
    const t = settings.configs;
    const languages = (t.languages as readonly string[]).includes(draft.language) ? t.languages : [draft.language, ...t.languages];
    return (
      <>
        <TextField label={t.path} mono value={draft.mount_path} onChange={(e) => set({ ...draft, mount_path: e.target.value })} errors={errors("mount_path")} />
        <TextArea label={t.contents} hint={t.contentsHint} mono rows={14} wrap="off" value={draft.contents} onChange={(e) => set({ ...draft, contents: e.target.value })} errors={errors("contents")} />
        <div className="grid items-start gap-4 sm:grid-cols-2">
          <TextField label={t.name} optional hint={t.nameHint} value={draft.name} onChange={(e) => set({ ...draft, name: e.target.value })} errors={errors("name")} />
          <SelectField label={t.language} choices={languages.map((l) => ({ value: l, label: l }))} value={draft.language} onChange={(e) => set({ ...draft, language: e.target.value })} errors={errors("language")} />
        </div>
      </>
    );
  },
};
