import type { Service } from "~/api/types";
import { service as t } from "~/text/service";
import { CopyText } from "~/ui/copy";
import { Fact, Facts, Panel } from "~/ui/layout";

function limitsText(s: Service): string {
  const parts = [s.resource_limits?.cpus ? t.facts.cpus(s.resource_limits.cpus) : "", s.resource_limits?.memory ? `${s.resource_limits.memory.value} ${s.resource_limits.memory.unit.toLowerCase()}` : ""];
  return parts.filter(Boolean).join(", ") || t.facts.noLimit;
}

function healthText(s: Service): string {
  const h = s.healthcheck;
  if (!h) return t.facts.noHealth;
  return `${h.value}${h.associated_port ? ` (:${h.associated_port})` : ""}, ${t.facts.every(h.interval_seconds)}`;
}

/** What the service is made of, as it was deployed last. */
export function ServiceFacts({ service: s }: { service: Service }) {
  return (
    <Panel title={t.facts.title}>
      <Facts>
        <Fact term={t.facts.image}>
          <code className="text-sm break-all">{s.image ?? t.never.title}</code>
        </Fact>
        {s.command && (
          <Fact term={t.facts.command}>
            <code className="text-sm break-all">{s.command}</code>
          </Fact>
        )}
        <Fact term={t.facts.urls}>
          {s.urls.length === 0 && t.facts.none}
          <ul className="grid gap-0.5">
            {s.urls.map((u) => (
              <li key={u.id} className="break-all">
                {u.domain}
                {u.base_path === "/" ? "" : u.base_path}
                {u.associated_port && <span className="text-muted"> → :{u.associated_port}</span>}
                {u.redirect_to && <span className="text-muted"> → {u.redirect_to.url}</span>}
              </li>
            ))}
          </ul>
        </Fact>
        {s.ports.length > 0 && <Fact term={t.facts.ports}>{s.ports.map((p) => `${p.host} → ${p.forwarded}`).join(", ")}</Fact>}
        <Fact term={t.facts.volumes}>
          {s.volumes.length === 0 && t.facts.none}
          <ul>
            {s.volumes.map((v) => (
              <li key={v.id} className="break-all">
                {v.name} <span className="text-muted">→ {v.container_path}</span>
              </li>
            ))}
          </ul>
        </Fact>
        <Fact term={t.facts.health}>{healthText(s)}</Fact>
        <Fact term={t.facts.limits}>{limitsText(s)}</Fact>
        <Fact term={t.facts.network}>
          <CopyText text={s.network_alias} />
        </Fact>
      </Facts>
    </Panel>
  );
}
