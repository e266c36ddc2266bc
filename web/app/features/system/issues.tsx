import { system as t } from "~/text/system";
import { CopyButton } from "~/ui/copy";
import { Fact, Facts, Panel } from "~/ui/layout";
import { Status } from "~/ui/status";
import type { Issue } from "./health";

/* The API may look at the supervisor and do nothing there: whoever broke into it could else stop the platform. So the
 * suggestions are commands for the server. */
export function Issues({ issues }: { issues: readonly Issue[] }) {
  return (
    <Panel title={t.issues}>
      {issues.length === 0 && <p className="text-muted">{t.noIssues}</p>}
      <ul className="grid gap-4">
        {issues.map((i) => (
          <li key={i.id} className="grid gap-2">
            <div className="flex flex-wrap items-center gap-2">
              <Status tone={i.severity === "error" ? "bad" : "warn"} label={t.severity[i.severity] ?? i.severity} />
              <span className="font-medium">{i.title}</span>
              <span className="text-muted">{i.component}</span>
            </div>
            <Facts>
              {i.facts.map(([name, value]) => (
                <Fact key={name} term={name.replaceAll("_", " ")}>
                  <span className="font-mono text-sm break-words whitespace-pre-wrap">{value}</span>
                </Fact>
              ))}
            </Facts>
            {i.suggestions.map((s) => (
              <div key={s.id} className="rounded-md bg-sunken p-2 text-sm">
                <p className="font-medium">{s.text}</p>
                <p className="flex flex-wrap items-center gap-1 text-muted">
                  {t.onServer} <code className="text-ink">{s.command}</code>
                  <CopyButton text={s.command} />
                </p>
              </div>
            ))}
          </li>
        ))}
      </ul>
    </Panel>
  );
}
