import { useMutation } from "@tanstack/react-query";
import { api, data } from "~/api/client";
import { system as t } from "~/text/system";
import { Button } from "~/ui/button";
import { CopyButton } from "~/ui/copy";
import { Refused } from "~/ui/form";
import { Fact, Facts, Panel } from "~/ui/layout";
import { Status } from "~/ui/status";
import { toast } from "~/ui/toast";
import type { Issue, Suggestion } from "./health";

/* What the API may ask of the supervisor is little, or whoever broke into it could stop the platform. What it may is a
 * button; every suggestion is a command for the server as well, for when the dashboard is what does not work. */
function Fix({ component, suggestion: s }: { component: string; suggestion: Suggestion }) {
  const retry = useMutation({
    mutationFn: () => data(api.POST("/api/system/components/{component}/retry/", { params: { path: { component } } })),
    onSuccess: () => toast(t.retried(component), "info"),
  });
  return (
    <div className="flex flex-wrap items-center justify-between gap-2 rounded-md bg-sunken p-2 text-sm">
      <div className="min-w-0">
        <p className="font-medium">{s.text}</p>
        <p className="flex flex-wrap items-center gap-1 text-muted">
          {t.onServer} <code className="text-ink">{s.command}</code>
          <CopyButton text={s.command} />
        </p>
      </div>
      {s.id === "retry" && (
        <Button icon="refresh" busy={retry.isPending} onClick={() => retry.mutate()}>
          {t.retry(component)}
        </Button>
      )}
      <Refused error={retry.error} />
    </div>
  );
}

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
              <Fix key={s.id} component={i.component} suggestion={s} />
            ))}
          </li>
        ))}
      </ul>
    </Panel>
  );
}
