import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { useParams } from "react-router";
import { api, data } from "~/api/client";
import { keys } from "~/api/keys";
import { atLeast, role, useMe } from "~/features/auth/me";
import { EnvironmentFrame } from "~/features/environment/frame";
import { ServiceGrid } from "~/features/settings/service-grid";
import { paths } from "~/paths";
import { environment as t } from "~/text/environment";
import { places } from "~/text/places";
import { Button, ButtonLink } from "~/ui/button";
import { Empty, Loaded, SkeletonRows } from "~/ui/states";

export default function EnvironmentServices() {
  const { project = "", env = "" } = useParams();
  const me = useMe();
  const [selecting, setSelecting] = useState(false);
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
  const select = mayCreate && (list.data?.length ?? 0) > 0 && (
    <Button onClick={() => setSelecting(!selecting)}>
      {selecting ? places.bulk.done : places.bulk.select}
    </Button>
  );

  return (
    <EnvironmentFrame
      project={project}
      env={env}
      title={t.services}
      actions={
        <>
          {select}
          {create}
        </>
      }
    >
      <Loaded query={list} skeleton={<SkeletonRows rows={4} className="h-28 w-full" />}>
        {(all) =>
          all.length ? (
            <ServiceGrid key={`${project}/${env}`} project={project} env={env} services={all} selecting={selecting} onDone={() => setSelecting(false)} />
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
