import { useQuery } from "@tanstack/react-query";
import { Link } from "react-router";
import { api, data } from "~/api/client";
import { keys } from "~/api/keys";
import type { RecentDeployment } from "~/api/types";
import { paths } from "~/paths";
import { projects as t } from "~/text/projects";
import { deploymentStatus } from "~/text/status";
import { Loaded, SkeletonRows } from "~/ui/states";
import { Status } from "~/ui/status";
import { Time } from "~/ui/time";

/** The newest deployments of the workspace, beside the projects. */
export function Recent() {
  const list = useQuery({ queryKey: keys.recent, queryFn: ({ signal }) => data(api.GET("/api/recent-deployments/", { signal })) });

  return (
    <section aria-labelledby="recent" className="grid content-start gap-2">
      <h2 id="recent" className="font-semibold">
        {t.recent}
      </h2>
      <Loaded query={list} skeleton={<SkeletonRows rows={3} />}>
        {(all) =>
          all.length ? (
            <ul className="grid rounded-lg border border-line bg-surface">
              {all.map((d) => (
                <Entry key={d.hash} deployment={d} />
              ))}
            </ul>
          ) : (
            <p className="text-muted">{t.recentEmpty}</p>
          )
        }
      </Loaded>
    </section>
  );
}

function Entry({ deployment: d }: { deployment: RecentDeployment }) {
  const look = deploymentStatus[d.status];
  const at = { project: d.service.project.slug, env: d.service.environment.name, service: d.service.slug };

  return (
    <li className="relative grid gap-0.5 border-b border-line px-3 py-2 last:border-b-0 hover:bg-sunken">
      <span className="flex items-center justify-between gap-2">
        <Link to={paths.deployment(at, d.hash)} className="min-w-0 truncate font-medium after:absolute after:inset-0">
          {d.service.slug}
        </Link>
        <Status tone={look.tone} label={look.label} />
      </span>
      <span className="flex justify-between gap-2 text-sm text-muted">
        <span className="truncate">
          {d.service.project.slug} / {d.service.environment.name}
        </span>
        <Time value={d.queued_at} />
      </span>
    </li>
  );
}
