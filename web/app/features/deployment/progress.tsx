import { useState } from "react";
import type { ServicePath } from "~/api/keys";
import { after } from "~/api/query";
import { useBuildLines, useCancelDeployment } from "~/api/service";
import type { Deployment } from "~/api/types";
import { atLeast, role, useMe } from "~/features/auth/me";
import { paths } from "~/paths";
import { deployment as t } from "~/text/deployment";
import { deploymentStatus, underWay } from "~/text/status";
import { Button, ButtonLink } from "~/ui/button";
import { ConfirmDialog } from "~/ui/dialog";
import { Panel } from "~/ui/layout";
import { Notice } from "~/ui/notice";
import { Loaded } from "~/ui/states";
import { Status } from "~/ui/status";
import { Elapsed } from "~/ui/time";
import { Timeline } from "~/ui/timeline";
import { toast } from "~/ui/toast";
import { stepsOf } from "./steps";

/** The live timeline of a deployment, with what can be done about it. */
export function Progress({ path, deployment: d }: { path: ServicePath; deployment: Deployment }) {
  const lines = useBuildLines(path, d.hash);
  const look = deploymentStatus[d.status];
  const open = underWay(d.status, d.finished_at);

  return (
    <Panel
      title={t.timeline}
      lead={
        <span className="flex flex-wrap items-center gap-2">
          <Status tone={look.tone} label={look.label} />
          {d.started_at && (
            <span>
              {open ? t.running : t.took} <Elapsed from={d.started_at} to={d.finished_at} />
            </span>
          )}
        </span>
      }
      actions={open && d.status !== "CANCELLING" && <Cancel path={path} hash={d.hash} />}
    >
      <div className="grid gap-3">
        <Outcome path={path} deployment={d} />
        <Loaded query={lines}>
          {(page) => {
            const steps = stepsOf(d, page.results);
            if (d.status === "QUEUED") return <Waiting />;
            return steps.length ? <Timeline label={t.timeline} steps={steps} percentText={t.percent} /> : <p className="text-muted">{t.noSteps}</p>;
          }}
        </Loaded>
      </div>
    </Panel>
  );
}

function Waiting() {
  return (
    <p>
      <span className="font-medium">{t.queued}.</span> <span className="text-muted">{t.queuedWhat}</span>
    </p>
  );
}

function Outcome({ path, deployment: d }: { path: ServicePath; deployment: Deployment }) {
  if (d.status !== "FAILED" && d.status !== "UNHEALTHY") return null;
  return (
    <Notice
      tone="bad"
      title={d.status === "FAILED" ? t.failedTitle : t.unhealthyTitle}
      actions={
        <ButtonLink to={`${paths.deployment(path, d.hash, "logs")}?which=app`} icon="menu">
          {t.seeLogs}
        </ButtonLink>
      }
    >
      {d.status_reason && <p className="break-words">{d.status_reason}</p>}
      {d.status === "FAILED" && <p>{t.failedWhat}</p>}
    </Notice>
  );
}

function Cancel({ path, hash }: { path: ServicePath; hash: string }) {
  const me = useMe();
  const cancel = useCancelDeployment(path);
  const [asked, setAsked] = useState(false);

  if (!atLeast(me.data, role.member)) return null;
  return (
    <>
      <Button icon="stop" onClick={() => setAsked(true)}>
        {t.cancel}
      </Button>
      <ConfirmDialog
        open={asked}
        title={t.cancelTitle}
        action={t.cancel}
        busy={cancel.isPending}
        error={cancel.error}
        onClose={() => setAsked(false)}
        onConfirm={() =>
          after(cancel.mutateAsync(hash), () => {
            setAsked(false);
            toast(t.cancelled, "info");
          })
        }
      >
        <p>{t.cancelWhat}</p>
      </ConfirmDialog>
    </>
  );
}
