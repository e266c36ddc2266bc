import { useParams } from "react-router";
import { useDeployment } from "~/api/service";
import { deployment as t } from "~/text/deployment";
import { ChangeView } from "~/ui/change-view";
import { Empty, Loaded } from "~/ui/states";

export default function DeploymentChanges() {
  const { project = "", env = "", service = "", hash = "" } = useParams();
  return (
    <Loaded query={useDeployment({ project, env, service }, hash)}>
      {(d) =>
        d.changes.length ? (
          <div className="grid gap-2">
            {d.changes.map((c) => (
              <ChangeView key={c.id} change={c} />
            ))}
          </div>
        ) : (
          <Empty title={t.noChanges} />
        )
      }
    </Loaded>
  );
}
