/* Image, command, health check and limits of a service. */
import { Link } from "react-router";
import { paths } from "~/paths";
import { settings } from "~/text/settings";
import { SelectField, TextField } from "~/ui/field";
import { Segments } from "~/ui/segments";
import { numberOf, textOf } from "./numbers";
import type { MemoryUnit, SingleValues } from "./overlay";
import { PortField } from "./port-field";
import type { SingleKind } from "./single-section";

interface Login {
  id: string;
  slug: string;
  url: string;
}

export function sourceKind(logins: readonly Login[]): SingleKind<"source", { image: string; login: string }> {
  const t = settings.source;
  const slug = (id: string) => logins.find((l) => l.id === id)?.slug ?? t.unknownLogin;
  return {
    field: "source",
    id: "image",
    title: t.title,
    lead: t.lead,
    describe: (v) => v && <span className="font-mono">{v.container_registry_credentials_id ? `${v.image}, ${t.with(slug(v.container_registry_credentials_id))}` : v.image}</span>,
    draft: (v) => ({ image: v?.image ?? "", login: v?.container_registry_credentials_id ?? "" }),
    body: (d) => ({ image: d.image.trim(), container_registry_credentials_id: d.login || null }),
    paths: ["image", "container_registry_credentials_id"],
    fields: ({ draft, set, errors }) => {
      const choices = [{ value: "", label: t.public }, ...logins.map((l) => ({ value: l.id, label: `${l.slug} (${l.url})` }))];
      if (draft.login && !logins.some((l) => l.id === draft.login)) choices.push({ value: draft.login, label: t.unknownLogin });
      return (
        <>
          <TextField label={t.image} hint={t.imageHint} mono autoCapitalize="none" value={draft.image} onChange={(e) => set({ ...draft, image: e.target.value })} errors={errors("image")} />
          <SelectField
            label={t.login}
            hint={
              <>
                {t.loginHint}{" "}
                <Link to={paths.workspace("registries")} className="text-accent underline">
                  {t.logins}
                </Link>
              </>
            }
            choices={choices}
            value={draft.login}
            onChange={(e) => set({ ...draft, login: e.target.value })}
            errors={errors("container_registry_credentials_id")}
          />
        </>
      );
    },
  };
}

export const commandKind: SingleKind<"command", { text: string }> = {
  field: "command",
  id: "command",
  title: settings.command.title,
  lead: settings.command.lead,
  describe: (v) => (v === null ? settings.command.own : <span className="font-mono">{v}</span>),
  draft: (v) => ({ text: v ?? "" }),
  body: (d) => d.text.trim() || null,
  paths: [""],
  fields: ({ draft, set, errors }) => <TextField label={settings.command.label} hint={settings.command.hint} mono value={draft.text} onChange={(e) => set({ text: e.target.value })} errors={errors("")} />,
};

interface HealthDraft {
  type: "none" | "PATH" | "COMMAND";
  path: string;
  command: string;
  port: string;
  interval: string;
  timeout: string;
}

function healthDraft(v: SingleValues["healthcheck"], known: readonly number[]): HealthDraft {
  return {
    type: v?.type ?? "none",
    path: v?.type === "PATH" ? v.value : "/",
    command: v?.type === "COMMAND" ? v.value : "",
    port: textOf(v?.associated_port ?? known[0] ?? null),
    interval: textOf(v?.interval_seconds ?? 30),
    timeout: textOf(v?.timeout_seconds ?? 30),
  };
}

function healthBody(d: HealthDraft): unknown {
  if (d.type === "none") return null;
  const seconds = { interval_seconds: numberOf(d.interval), timeout_seconds: numberOf(d.timeout) };
  return d.type === "PATH" ? { ...seconds, type: d.type, value: d.path.trim(), associated_port: numberOf(d.port) } : { ...seconds, type: d.type, value: d.command.trim() };
}

export function healthKind(known: readonly number[]): SingleKind<"healthcheck", HealthDraft> {
  const t = settings.health;
  return {
    field: "healthcheck",
    id: "health",
    title: t.title,
    lead: t.lead,
    describe: (v) => (v ? t.words(v.type, v.value, v.associated_port, v.interval_seconds, v.timeout_seconds) : t.none),
    draft: (v) => healthDraft(v, known),
    body: healthBody,
    paths: ["type", "value", "associated_port", "interval_seconds", "timeout_seconds"],
    fields: ({ draft: d, set, errors }) => (
      <>
        <Segments
          showLabel
          label={t.kind}
          value={d.type}
          choices={[
            { value: "none", label: t.none },
            { value: "PATH", label: t.path },
            { value: "COMMAND", label: t.command },
          ]}
          onChoose={(v) => set({ ...d, type: v === "PATH" || v === "COMMAND" ? v : "none" })}
        />
        {d.type === "none" && <p className="text-sm text-muted">{t.noneHint}</p>}
        {d.type === "PATH" && (
          <div className="grid items-start gap-4 sm:grid-cols-[1fr_auto]">
            <TextField label={t.pathLabel} hint={t.pathHint} mono value={d.path} onChange={(e) => set({ ...d, path: e.target.value })} errors={errors("value")} />
            <PortField label={t.port} value={d.port} onValue={(port) => set({ ...d, port })} errors={errors("associated_port")} known={known} />
          </div>
        )}
        {d.type === "COMMAND" && <TextField label={t.commandLabel} hint={t.commandHint} mono value={d.command} onChange={(e) => set({ ...d, command: e.target.value })} errors={errors("value")} />}
        {d.type !== "none" && (
          <div className="grid items-start gap-4 sm:grid-cols-2">
            <TextField label={t.interval} hint={t.seconds} inputMode="numeric" value={d.interval} onChange={(e) => set({ ...d, interval: e.target.value })} errors={errors("interval_seconds")} className="max-w-40" />
            <TextField label={t.timeout} hint={t.seconds} inputMode="numeric" value={d.timeout} onChange={(e) => set({ ...d, timeout: e.target.value })} errors={errors("timeout_seconds")} className="max-w-40" />
          </div>
        )}
      </>
    ),
  };
}

interface LimitsDraft {
  cpus: string;
  memory: string;
  unit: MemoryUnit;
}

const units: readonly MemoryUnit[] = ["BYTES", "KILOBYTES", "MEGABYTES", "GIGABYTES"];

export function limitsKind(server: { no_of_cpus: number; max_memory_in_bytes: number } | null): SingleKind<"resource_limits", LimitsDraft> {
  const t = settings.limits;
  return {
    field: "resource_limits",
    id: "limits",
    title: t.title,
    lead: t.lead,
    describe: (v) => {
      const parts = [v?.cpus ? t.cpusWords(v.cpus) : "", v?.memory ? `${v.memory.value} ${t.units[v.memory.unit]}` : ""].filter(Boolean);
      return parts.length ? parts.join(", ") : t.none;
    },
    draft: (v) => ({ cpus: textOf(v?.cpus ?? null), memory: textOf(v?.memory?.value ?? null), unit: v?.memory?.unit ?? "MEGABYTES" }),
    body: (d) => {
      const cpus = numberOf(d.cpus);
      const memory = numberOf(d.memory);
      return cpus === null && memory === null ? null : { cpus, memory: memory === null ? null : { value: memory, unit: d.unit } };
    },
    paths: ["cpus", "memory", "memory.value", "memory.unit"],
    fields: ({ draft: d, set, errors }) => (
      <div className="grid items-start gap-4 sm:grid-cols-2">
        <TextField label={t.cpus} hint={t.cpusHint(server?.no_of_cpus ?? null)} inputMode="decimal" value={d.cpus} onChange={(e) => set({ ...d, cpus: e.target.value })} errors={errors("cpus")} />
        <div className="grid grid-cols-[1fr_auto] items-start gap-2">
          <TextField
            label={t.memory}
            hint={t.memoryHint(server?.max_memory_in_bytes ?? null)}
            inputMode="numeric"
            value={d.memory}
            onChange={(e) => set({ ...d, memory: e.target.value })}
            errors={[...errors("memory"), ...errors("memory.value")]}
          />
          <div className="pt-6">
            <SelectField label={t.unit} hideLabel choices={units.map((u) => ({ value: u, label: t.units[u] }))} value={d.unit} onChange={(e) => set({ ...d, unit: units.find((u) => u === e.target.value) ?? d.unit })} errors={errors("memory.unit")} />
          </div>
        </div>
      </div>
    ),
  };
}
