import { useParams, useSearchParams } from "react-router";
import { current, useDeployments } from "~/api/service";
import type { DeploymentStatus } from "~/api/types";
import { DeploymentRow } from "~/features/deployment/row";
import { deployment as t } from "~/text/deployment";
import { deploymentStatus } from "~/text/status";
import { SelectField } from "~/ui/field";
import { Pager } from "~/ui/pager";
import { Empty, Loaded, SkeletonRows } from "~/ui/states";

const PER_PAGE = 10;

function isStatus(text: string | null): text is DeploymentStatus {
  return text !== null && text in deploymentStatus;
}

export default function ServiceDeployments() {
  const { project = "", env = "", service = "" } = useParams();
  const path = { project, env, service };
  const [params, setParams] = useSearchParams();
  const wanted = params.get("status");
  const status = isStatus(wanted) ? wanted : null;
  const page = Math.max(1, Number(params.get("page") ?? "1") || 1);
  const list = useDeployments(path, { page, per_page: PER_PAGE, ...(status ? { status: [status] } : {}) });
  const all = useDeployments(path);
  const go = (to: number) => setParams({ ...(status ? { status } : {}), ...(to > 1 ? { page: String(to) } : {}) });

  return (
    <div className="grid gap-3">
      <div className="w-48">
        <SelectField
          label={t.list.status}
          value={status ?? ""}
          onChange={(e) => setParams(e.target.value ? { status: e.target.value } : {})}
          choices={[{ value: "", label: t.list.any }, ...Object.entries(deploymentStatus).map(([value, look]) => ({ value, label: look.label }))]}
        />
      </div>
      <Loaded query={list} skeleton={<SkeletonRows rows={5} className="h-20 w-full" />}>
        {(found) =>
          found.results.length ? (
            <>
              <ul className="grid gap-3">
                {found.results.map((d) => (
                  <li key={d.hash} className="rounded-lg border border-line bg-surface p-4">
                    <DeploymentRow path={path} deployment={d} production={current(all.data?.results ?? []).production} />
                  </li>
                ))}
              </ul>
              <Pager page={page} count={found.count} perPage={PER_PAGE} onPage={go} />
            </>
          ) : status ? (
            <Empty title={t.list.empty} />
          ) : (
            <Empty icon="play" title={t.list.none.title}>
              {t.list.none.what}
            </Empty>
          )
        }
      </Loaded>
    </div>
  );
}
