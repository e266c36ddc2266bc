/* Where one is, and the way to its neighbours: projects, environments, services. */
import { useQuery } from "@tanstack/react-query";
import { api, data } from "~/api/client";
import { keys } from "~/api/keys";
import { paths } from "~/paths";
import { shell as t } from "~/text/shell";
import { Icon } from "~/ui/icons";
import { Menu, type MenuEntry } from "~/ui/menu";

export function Crumbs({ project, env, service }: { project: string | null; env: string | null; service: string | null }) {
  return (
    <nav aria-label={t.main} className="flex min-w-0 items-center">
      {project === null ? null : <ProjectMenu project={project} />}
      {project !== null && env !== null && <EnvironmentMenu project={project} env={env} />}
      {project !== null && env !== null && service !== null && <ServiceMenu project={project} env={env} service={service} />}
    </nav>
  );
}

function link(text: string, to: string, current: boolean): MenuEntry {
  return { kind: "link", text, to, current };
}

function Crumb({ name, label, entries }: { name: string; label: string; entries: readonly MenuEntry[] }) {
  return (
    <>
      <span aria-hidden="true" className="px-0.5 text-line-strong">
        /
      </span>
      <Menu
        align="start"
        label={label}
        entries={entries}
        trigger={
          <button type="button" aria-label={`${name}, ${label}`} className="flex h-8 min-w-0 items-center gap-0.5 rounded-md px-1 text-sm font-medium hover:bg-sunken">
            <span className="max-w-44 truncate max-sm:max-w-16">{name}</span>
            <Icon name="down" className="size-3.5 shrink-0 text-muted" />
          </button>
        }
      />
    </>
  );
}

function ProjectMenu({ project }: { project: string }) {
  const list = useQuery({ queryKey: keys.projects(), queryFn: ({ signal }) => data(api.GET("/api/projects/", { signal })) });
  return <Crumb name={project} label={t.switchProject} entries={list.data?.map((p) => link(p.slug, paths.project(p.slug), p.slug === project)) ?? []} />;
}

function EnvironmentMenu({ project, env }: { project: string; env: string }) {
  const found = useQuery({
    queryKey: keys.project(project),
    queryFn: ({ signal }) => data(api.GET("/api/projects/{slug}/", { params: { path: { slug: project } }, signal })),
  });
  return <Crumb name={env} label={t.switchEnvironment} entries={found.data?.environments.map((e) => link(e.name, paths.project(project, e.name), e.name === env)) ?? []} />;
}

function ServiceMenu({ project, env, service }: { project: string; env: string; service: string }) {
  const list = useQuery({
    queryKey: keys.services(project, env),
    queryFn: ({ signal }) => data(api.GET("/api/projects/{slug}/{env_slug}/service-list/", { params: { path: { slug: project, env_slug: env } }, signal })),
  });
  return <Crumb name={service} label={t.switchService} entries={list.data?.map((s) => link(s.slug, paths.service({ project, env, service: s.slug }), s.slug === service)) ?? []} />;
}
