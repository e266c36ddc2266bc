import { settings } from "~/text/settings";
import { CopyButton } from "~/ui/copy";
import { Table } from "~/ui/layout";
import { dnsNeed } from "./domain-dns";

const t = settings.domains.dns;

function Command({ text }: { text: string }) {
  return (
    <span className="flex items-center gap-1 rounded-md bg-sunken px-2 py-0.5">
      <code className="min-w-0 flex-1 font-mono text-sm">{text}</code>
      <CopyButton text={text} label={t.copy(text)} />
    </span>
  );
}

/** What has to be in the DNS, and how to see whether it is; nothing that this page cannot know. */
export function DomainFacts({ domain, root, app }: { domain: string; root: string; app: string }) {
  const need = dnsNeed(domain, root, app);
  const host = need.kind === "own" ? need.host : domain;

  return (
    <details>
      <summary className="w-fit rounded-sm text-sm text-muted hover:text-ink">{t.open}</summary>
      <div className="mt-2 grid grid-cols-1 gap-3 text-sm">
        {need.kind === "local" && <p>{t.local}</p>}
        {need.kind === "below" && <p>{t.below(need.root)}</p>}
        {need.kind === "own" && (
          <>
            <p>{t.own(need.name.replace(/^\*\./, ""))}</p>
            <Table label={t.record} head={[t.record, t.name, t.value]}>
              {!need.apex && !need.targetIsAddress && (
                <tr>
                  <td className="font-mono">{t.cname}</td>
                  <td className="font-mono">{need.name}</td>
                  <td className="font-mono">{need.target}</td>
                </tr>
              )}
              <tr>
                <td className="font-mono">{t.aRecords}</td>
                <td className="font-mono">{need.name}</td>
                <td>{need.targetIsAddress ? <span className="font-mono">{need.target}</span> : t.address}</td>
              </tr>
            </Table>
            {need.apex && <p className="text-muted">{t.apex}</p>}
            <p>{need.targetIsAddress ? t.findAddress(need.target) : t.find}</p>
            <div className="grid gap-1">
              {!need.targetIsAddress && <Command text={`dig +short ${need.target}`} />}
              <Command text={`dig +short ${host}`} />
            </div>
          </>
        )}
        <p>{need.kind === "local" ? t.localCertificate : t.certificate}</p>
        <Command text={`curl -sSvo /dev/null https://${host}/ 2>&1 | grep -i -A5 'server certificate'`} />
      </div>
    </details>
  );
}
