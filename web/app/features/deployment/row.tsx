/* A deployment in a list: what it is, what it changed, and the way back to it. */
import { useState } from "react";
import { Link, useNavigate } from "react-router";
import type { ServicePath } from "~/api/keys";
import { after } from "~/api/query";
import { useRedeploy } from "~/api/service";
import type { Deployment } from "~/api/types";
import { atLeast, role, useMe } from "~/features/auth/me";
import { paths } from "~/paths";
import { deployment as t } from "~/text/deployment";
import { deploymentStatus, underWay } from "~/text/status";
import { Button } from "~/ui/button";
import { ChangeView } from "~/ui/change-view";
import { CopyText } from "~/ui/copy";
import { ConfirmDialog } from "~/ui/dialog";
import { Status } from "~/ui/status";
import { Elapsed, Time } from "~/ui/time";
import { toast } from "~/ui/toast";

export function DeploymentRow({ path, deployment: d, production }: { path: ServicePath; deployment: Deployment; production: Deployment | undefined }) {
  const look = deploymentStatus[d.status];

  return (
    <article className="grid gap-2">
      <div className="flex flex-wrap items-center gap-x-3 gap-y-1">
        <Status tone={look.tone} label={look.label} />
        {d.is_current_production && d.status !== "FAILED" && <Status tone="ok" icon="dot" label={t.current} />}
        <Link to={paths.deployment(path, d.hash)} className="min-w-0 font-medium break-words hover:underline">
          {d.commit_message}
        </Link>
        <span className="ml-auto flex flex-wrap gap-2">{!d.is_current_production && !underWay(d.status, d.finished_at) && production && <Redeploy path={path} hash={d.hash} />}</span>
      </div>
      <p className="flex flex-wrap items-center gap-x-3 gap-y-0.5 text-sm text-muted">
        <CopyText text={d.hash} short={12} />
        <Time value={d.queued_at} />
        <span>{t.by[d.trigger_method]}</span>
        {d.started_at && (
          <span>
            {d.finished_at ? t.took : t.running} <Elapsed from={d.started_at} to={d.finished_at} />
          </span>
        )}
        {d.redeploy_hash && (
          <span>
            {t.redeployOf} <Link to={paths.deployment(path, d.redeploy_hash)} className="font-mono hover:underline">{`${d.redeploy_hash.slice(0, 12)}…`}</Link>
          </span>
        )}
      </p>
      {d.status_reason && (d.status === "FAILED" || d.status === "UNHEALTHY") && <p className="text-sm break-words text-bad">{d.status_reason}</p>}
      {d.changes.length > 0 && (
        <details>
          <summary className="w-fit text-sm text-muted hover:text-ink">{t.changesOf(d.changes.length)}</summary>
          <div className="mt-2 grid gap-2">
            {d.changes.map((c) => (
              <ChangeView key={c.id} change={c} />
            ))}
          </div>
        </details>
      )}
    </article>
  );
}

export function Redeploy({ path, hash }: { path: ServicePath; hash: string }) {
  const me = useMe();
  const navigate = useNavigate();
  const redeploy = useRedeploy(path);
  const [asked, setAsked] = useState(false);

  if (!atLeast(me.data, role.member)) return null;
  return (
    <>
      <Button icon="refresh" onClick={() => setAsked(true)}>
        {t.redeploy}
      </Button>
      <ConfirmDialog
        open={asked}
        title={t.redeployTitle}
        action={t.redeploy}
        tone="primary"
        busy={redeploy.isPending}
        error={redeploy.error}
        onClose={() => setAsked(false)}
        onConfirm={() =>
          after(redeploy.mutateAsync(hash), (d) => {
            setAsked(false);
            toast(t.redeployed);
            return navigate(paths.deployment(path, d.hash));
          })
        }
      >
        <p>{t.redeployWhat}</p>
      </ConfirmDialog>
    </>
  );
}
