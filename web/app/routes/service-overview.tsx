import { useParams } from "react-router";
import { current, useDeploy, useDeployments, useService, useToggle } from "~/api/service";
import { Progress } from "~/features/deployment/progress";
import { DeploymentRow } from "~/features/deployment/row";
import { ServiceFacts } from "~/features/service/facts";
import { service as t } from "~/text/service";
import { Button } from "~/ui/button";
import { Panel } from "~/ui/layout";
import { Notice } from "~/ui/notice";
import { Empty, Loaded, SkeletonRows } from "~/ui/states";
import { deployment } from "~/text/deployment";

export default function ServiceOverview() {
  const { project = "", env = "", service = "" } = useParams();
  const path = { project, env, service };
  const found = useService(path);
  const list = useDeployments(path);
  const deploy = useDeploy(path);
  const toggle = useToggle(path);

  return (
    <div className="grid items-start gap-4 lg:grid-cols-[1fr_24rem]">
      <div className="grid gap-4">
        <Loaded query={list} skeleton={<SkeletonRows rows={3} className="h-24 w-full" />}>
          {(page) => {
            const { production, open } = current(page.results);
            const newest = page.results[0];
            const failed = open.length === 0 && page.results.find((d) => d.status === "FAILED" && (!production || d.queued_at > production.queued_at));
            return (
              <>
                {!newest && (
                  <Empty
                    icon="play"
                    title={t.never.title}
                    actions={
                      <Button tone="primary" icon="play" busy={deploy.isPending} onClick={() => deploy.mutate("")}>
                        {t.never.action}
                      </Button>
                    }
                  >
                    {t.never.what}
                  </Empty>
                )}
                {production?.status === "SLEEPING" && (
                  <Notice
                    title={t.asleep.title}
                    actions={
                      <Button icon="play" busy={toggle.isPending} onClick={() => toggle.mutate("start")}>
                        {t.asleep.wake}
                      </Button>
                    }
                  >
                    {t.asleep.what}
                  </Notice>
                )}
                {open.map((d) => (
                  <Progress key={d.hash} path={path} deployment={d} />
                ))}
                {failed && <Progress path={path} deployment={failed} />}
                {production && (
                  <Panel title={deployment.production}>
                    <DeploymentRow path={path} deployment={production} production={production} />
                  </Panel>
                )}
              </>
            );
          }}
        </Loaded>
      </div>
      {found.data && (
        <div className="grid gap-4">
          <ServiceFacts service={found.data} />
        </div>
      )}
    </div>
  );
}
