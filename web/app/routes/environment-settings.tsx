import { useParams } from "react-router";
import { atLeast, role, useMe } from "~/features/auth/me";
import { EnvironmentFrame } from "~/features/environment/frame";
import { AdminsOnly } from "~/features/settings/denied";
import { ArchiveEnvironment, CloneEnvironment, EnvironmentName } from "~/features/settings/environment-panels";
import { useEnvironment } from "~/features/settings/places-data";
import { places } from "~/text/places";
import { Loaded, SkeletonRows } from "~/ui/states";

export default function EnvironmentSettings() {
  const { project = "", env = "" } = useParams();
  const me = useMe();
  const found = useEnvironment(project, env);

  return (
    <EnvironmentFrame project={project} env={env} title={places.environment.title}>
      {me.data && !atLeast(me.data, role.admin) ? (
        <AdminsOnly />
      ) : (
        <Loaded query={found} skeleton={<SkeletonRows rows={3} className="h-40 w-full" />}>
          {(e) => (
            <div className="grid max-w-3xl gap-4" key={e.name}>
              <EnvironmentName project={project} env={e.name} />
              <CloneEnvironment project={project} env={e.name} />
              <ArchiveEnvironment project={project} env={e.name} />
            </div>
          )}
        </Loaded>
      )}
    </EnvironmentFrame>
  );
}
