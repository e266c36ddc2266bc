import { Link, Outlet, useParams } from "react-router";
import { current, useDeployment, useDeployments } from "~/api/service";
import { Redeploy } from "~/features/deployment/row";
import { paths } from "~/paths";
import { deployment as t } from "~/text/deployment";
import { service } from "~/text/service";
import { deploymentStatus, underWay } from "~/text/status";
import { CopyText } from "~/ui/copy";
import { Icon } from "~/ui/icons";
import { Page, Tabs } from "~/ui/layout";
import { Loaded } from "~/ui/states";
import { Status } from "~/ui/status";
import { Time } from "~/ui/time";

export default function DeploymentPage() {
  const { project = "", env = "", service: slug = "", hash = "" } = useParams();
  const path = { project, env, service: slug };
  const found = useDeployment(path, hash);
  const list = useDeployments(path);
  const { production } = current(list.data?.results ?? []);
  const tabs = [
    { to: paths.deployment(path, hash), label: t.progress, end: true },
    { to: paths.deployment(path, hash, "changes"), label: t.changes },
    { to: paths.deployment(path, hash, "logs"), label: t.logs },
  ];

  return (
    <Loaded query={found} page={hash}>
      {(d) => (
        <Page
          title={`${d.commit_message} · ${slug}`}
          heading={
            <span className="flex flex-wrap items-center gap-2">
              <span className="min-w-0 break-words">{d.commit_message}</span>
              <Status tone={deploymentStatus[d.status].tone} label={deploymentStatus[d.status].label} />
              {d.is_current_production && d.status !== "FAILED" && <Status tone="ok" icon="dot" label={t.current} />}
            </span>
          }
          lead={
            <span className="flex flex-wrap items-center gap-x-3">
              <Link to={paths.service(path, "deployments")} className="inline-flex items-center gap-1 hover:text-ink hover:underline">
                <Icon name="left" className="size-3.5" />
                {service.deployments}
              </Link>
              <CopyText text={d.hash} short={14} />
              <Time value={d.queued_at} />
              <span>{t.by[d.trigger_method]}</span>
            </span>
          }
          actions={!d.is_current_production && production && !underWay(d.status, d.finished_at) && <Redeploy path={path} hash={d.hash} />}
        >
          <div className="border-b border-line">
            <Tabs label={t.tabs} tabs={tabs} />
          </div>
          <Outlet />
        </Page>
      )}
    </Loaded>
  );
}
