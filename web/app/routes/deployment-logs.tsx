import { useQuery } from "@tanstack/react-query";
import { useParams, useSearchParams } from "react-router";
import { api, data } from "~/api/client";
import { keys } from "~/api/keys";
import { LogView } from "~/features/logs/log-view";
import { logs as t } from "~/text/logs";
import { cx } from "~/ui/classes";
import { Loaded, SkeletonRows } from "~/ui/states";

const kinds = ["platform", "app"] as const;

/** What the platform did for a deployment, or what its app wrote. */
export default function DeploymentLogs() {
  const { project = "", env = "", service = "", hash = "" } = useParams();
  const [params, setParams] = useSearchParams();
  const which = params.get("which") === "app" ? "app" : "platform";
  const path = { project, env, service };
  const found = useQuery({
    queryKey: keys.deployment(path, hash),
    queryFn: ({ signal }) =>
      data(
        api.GET("/api/projects/{project_slug}/{env_slug}/service-details/{service_slug}/deployments/{deployment_hash}/", {
          params: { path: { project_slug: project, env_slug: env, service_slug: service, deployment_hash: hash } },
          signal,
        }),
      ),
  });

  return (
    <div className="grid gap-3">
      <div role="group" aria-label={t.build.which} className="flex">
        {kinds.map((k) => (
          <button
            key={k}
            type="button"
            aria-pressed={which === k}
            onClick={() => setParams(k === "app" ? { which: k } : {})}
            className={cx("h-8 border border-line-strong px-3 text-sm -ml-px first:ml-0 first:rounded-l-md last:rounded-r-md max-sm:h-10", which === k ? "bg-accent-soft font-medium" : "bg-surface text-muted hover:bg-sunken")}
          >
            {t.build[k]}
          </button>
        ))}
      </div>
      <Loaded query={found} skeleton={<SkeletonRows rows={12} className="h-5 w-full" />}>
        {(d) => <LogView key={which} source={which === "app" ? { kind: "deployment", deploymentId: d.hash } : { kind: "build", path, hash: d.hash }} live={which === "app" || d.finished_at === null} name={`${service}-${d.hash}`} />}
      </Loaded>
    </div>
  );
}
