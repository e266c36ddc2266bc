/* Domains of a service: a list that waits for deployments like the rest of it. */
import type { DomainState } from "~/api/types";
import { settings } from "~/text/settings";
import { CheckField, TextField } from "~/ui/field";
import { Icon } from "~/ui/icons";
import { Segments } from "~/ui/segments";
import { DomainFacts } from "./domain-facts";
import { DomainStateView } from "./domain-state";
import type { Kind } from "./item-section";
import { numberOf, textOf } from "./numbers";
import type { ItemValues } from "./overlay";
import { PortField } from "./port-field";

const t = settings.domains;

type Url = ItemValues["urls"];

interface UrlDraft {
  domain: string;
  base_path: string;
  strip_prefix: boolean;
  redirect: boolean;
  url: string;
  permanent: boolean;
  port: string;
}

/** root, app: the platform's own domains; null until they are known. states: undefined until they are known. */
export function urlKind(root: string | null, app: string | null, known: readonly number[], states?: { server: { addresses: string[] }; domains: DomainState[] }): Kind<"urls", UrlDraft> {
  return {
    field: "urls",
    add: t.add,
    name: (v) => v.domain + (v.base_path === "/" ? "" : v.base_path),
    describe: (v) => <UrlWords url={v} />,
    draft: (v) => ({
      domain: v?.domain ?? "",
      base_path: v?.base_path ?? "/",
      strip_prefix: v?.strip_prefix ?? true,
      redirect: !!v?.redirect_to,
      url: v?.redirect_to?.url ?? "",
      permanent: v?.redirect_to?.permanent ?? false,
      port: textOf(v?.associated_port ?? known[0] ?? null),
    }),
    body: (d) => ({
      ...(d.domain.trim() ? { domain: d.domain.trim() } : {}),
      base_path: d.base_path.trim() || "/",
      strip_prefix: d.strip_prefix,
      ...(d.redirect ? { redirect_to: { url: d.url.trim(), permanent: d.permanent } } : { associated_port: numberOf(d.port) }),
    }),
    paths: ["domain", "base_path", "strip_prefix", "redirect_to.url", "associated_port"],
    removeLead: () => t.removeLead,
    more: ({ value, state }) => {
      const found = states?.domains.find((d) => d.domain === value.domain);
      if (state === "removed") return null;
      return (
        <>
          {found && states && <DomainStateView state={found} server={states.server.addresses} />}
          {root !== null && app !== null && <DomainFacts domain={value.domain} root={root} app={app} />}
        </>
      );
    },
    fields: ({ draft: d, set, errors }) => (
      <>
        <TextField label={t.domain} hint={t.domainHint(root)} mono autoCapitalize="none" inputMode="url" value={d.domain} onChange={(e) => set({ ...d, domain: e.target.value })} errors={errors("domain")} />
        <Segments
          showLabel
          label={t.kind}
          value={d.redirect ? "redirect" : "serve"}
          choices={[
            { value: "serve", label: t.serve },
            { value: "redirect", label: t.redirect },
          ]}
          onChoose={(v) => set({ ...d, redirect: v === "redirect" })}
        />
        {d.redirect ? (
          <>
            <TextField label={t.target} hint={t.targetHint} mono inputMode="url" value={d.url} onChange={(e) => set({ ...d, url: e.target.value })} errors={errors("redirect_to.url")} />
            <CheckField label={t.permanent} hint={t.permanentHint} checked={d.permanent} onChange={(e) => set({ ...d, permanent: e.target.checked })} />
          </>
        ) : (
          <PortField label={t.port} hint={t.portHint} value={d.port} onValue={(port) => set({ ...d, port })} errors={errors("associated_port")} known={known} />
        )}
        <TextField label={t.basePath} hint={t.basePathHint} mono value={d.base_path} onChange={(e) => set({ ...d, base_path: e.target.value })} errors={errors("base_path")} />
        {!d.redirect && <CheckField label={t.strip} hint={t.stripHint(d.base_path)} checked={d.strip_prefix} onChange={(e) => set({ ...d, strip_prefix: e.target.checked })} errors={errors("strip_prefix")} />}
      </>
    ),
  };
}

function UrlWords({ url: u }: { url: Url }) {
  const address = u.domain + (u.base_path === "/" ? "" : u.base_path);
  const does = u.redirect_to ? t.toUrl(u.redirect_to.url, u.redirect_to.permanent) : u.associated_port === null ? "" : t.toPort(u.associated_port);
  const stripped = !u.redirect_to && u.base_path !== "/" && u.strip_prefix ? `, ${t.stripped(u.base_path)}` : "";

  return (
    <span className="grid">
      {u.domain.startsWith("*.") ? (
        <span className="font-medium">{address}</span>
      ) : (
        <a href={`//${address}`} target="_blank" rel="noreferrer" className="inline-flex w-fit items-center gap-1 font-medium text-accent hover:underline">
          {address}
          <Icon name="external" className="size-3.5 shrink-0" />
        </a>
      )}
      <span className="text-sm text-muted">
        {does}
        {stripped}
      </span>
    </span>
  );
}
