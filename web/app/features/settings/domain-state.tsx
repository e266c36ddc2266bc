/* Where the DNS leads a domain and which certificate is served there, as the server found it. */
import type { DomainState } from "~/api/types";
import { settings } from "~/text/settings";
import { Status, type StatusTone } from "~/ui/status";
import { Time } from "~/ui/time";

const t = settings.domains.state;

const dnsTones: Record<DomainState["dns"]["state"], StatusTone> = { here: "ok", local: "idle", resolves: "idle", elsewhere: "bad", missing: "bad", unknown: "warn" };
const tlsTones: Record<DomainState["tls"]["state"], StatusTone> = { trusted: "ok", untrusted: "warn", none: "bad", unchecked: "idle" };

/** server: what the dashboard's own domain leads to. */
export function DomainStateView({ state: { dns, tls }, server }: { state: DomainState; server: readonly string[] }) {
  return (
    <div className="grid gap-1 text-sm">
      <p className="flex flex-wrap items-center gap-2">
        <Status tone={dnsTones[dns.state]} label={t.dns[dns.state]} />
        {dns.state === "elsewhere" && <span className="text-muted">{t.leads(dns.addresses.join(", "), server.join(", "))}</span>}
      </p>
      {tls.state !== "unchecked" && (
        <p className="flex flex-wrap items-center gap-2">
          <Status tone={tlsTones[tls.state]} label={t.tls[tls.state]} />
          {tls.issuer && <span className="text-muted">{t.by(tls.issuer)}</span>}
          {tls.expires_at && (
            <span className="text-muted">
              {t.until} <Time value={tls.expires_at} />
            </span>
          )}
          {tls.state === "none" && <span className="text-muted">{tls.reason}</span>}
        </p>
      )}
    </div>
  );
}
