import { useQuery } from "@tanstack/react-query";
import { useParams } from "react-router";
import { api, data } from "~/api/client";
import { keys } from "~/api/keys";
import { LogView } from "~/features/logs/log-view";
import { Loaded, SkeletonRows } from "~/ui/states";

export default function ServiceLogs() {
  const { project = "", env = "", service = "" } = useParams();
  const found = useQuery({
    queryKey: keys.service({ project, env, service }),
    queryFn: ({ signal }) =>
      data(api.GET("/api/projects/{project_slug}/{env_slug}/service-details/{service_slug}/", { params: { path: { project_slug: project, env_slug: env, service_slug: service } }, signal })),
  });
  return (
    <Loaded query={found} skeleton={<SkeletonRows rows={12} className="h-5 w-full" />}>
      {(s) => <LogView key={s.id} source={{ kind: "service", serviceId: s.id }} name={`${project}-${env}-${service}`} />}
    </Loaded>
  );
}
