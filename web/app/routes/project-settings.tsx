import { useParams } from "react-router";
import { atLeast, role, useMe } from "~/features/auth/me";
import { AdminsOnly } from "~/features/settings/denied";
import { useProject } from "~/features/settings/places-data";
import { ArchiveProject, Environments, ProjectGeneral } from "~/features/settings/project-panels";
import { places } from "~/text/places";
import { Page } from "~/ui/layout";
import { Loaded, SkeletonRows } from "~/ui/states";

export default function ProjectSettings() {
  const { project = "" } = useParams();
  const me = useMe();
  const found = useProject(project);

  return (
    <Page title={`${places.project.title} · ${project}`} heading={project} lead={places.project.title}>
      {me.data && !atLeast(me.data, role.admin) ? (
        <AdminsOnly />
      ) : (
        <Loaded query={found} skeleton={<SkeletonRows rows={3} className="h-48 w-full" />}>
          {(p) => (
            <div className="grid max-w-3xl gap-4">
              <ProjectGeneral key={`${p.slug} ${p.description ?? ""}`} project={p} />
              <Environments project={p} />
              <ArchiveProject project={p} />
            </div>
          )}
        </Loaded>
      )}
    </Page>
  );
}
