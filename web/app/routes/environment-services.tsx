import { useQuery } from "@tanstack/react-query";
import { useParams } from "react-router";
import { api, data } from "~/api/client";
import { keys } from "~/api/keys";
import { atLeast, role, useMe } from "~/features/auth/me";
import { EnvironmentFrame } from "~/features/environment/frame";
import { ServiceCard } from "~/features/environment/service-card";
import { paths } from "~/paths";
import { environment as t } from "~/text/environment";
import { ButtonLink } from "~/ui/button";
import { Empty, Loaded, SkeletonRows } from "~/ui/states";

export default function EnvironmentServices() {
  const { project = "", env = "" } = useParams();
  const me = useMe();
  const mayCreate = atLeast(me.data, role.member);
  const list = useQuery({
    queryKey: keys.services(project, env),
    queryFn: ({ signal }) => data(api.GET("/api/projects/{slug}/{env_slug}/service-list/", { params: { path: { slug: project, env_slug: env } }, signal })),
  });
  const create = mayCreate && (
    <ButtonLink to={paths.newService(project, env)} tone="primary" icon="plus">
      {t.newService}
    </ButtonLink>
  );

  return (
    <EnvironmentFrame project={project} env={env} title={t.services} actions={create}>
      <Loaded query={list} skeleton={<SkeletonRows rows={4} className="h-28 w-full" />}>
        {(all) =>
          all.length ? (
            <ul className="grid gap-3 sm:grid-cols-2 lg:grid-cols-3">
              {all.map((s) => (
                <ServiceCard key={s.id} project={project} env={env} service={s} />
              ))}
            </ul>
          ) : (
            <Empty icon="plus" title={t.empty.title} actions={create}>
              {t.empty.what}
            </Empty>
          )
        }
      </Loaded>
    </EnvironmentFrame>
  );
}
