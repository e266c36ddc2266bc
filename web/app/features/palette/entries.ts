/* What the palette offers: what it knows at once, and what the server finds. */
import { api, data } from "~/api/client";
import type { Me, SearchResult } from "~/api/types";
import { atLeast, role } from "~/features/auth/me";
import { paths } from "~/paths";
import { palette as t } from "~/text/palette";
import type { IconName } from "~/ui/icons";
import { setTheme } from "~/ui/theme";

export interface Entry {
  key: string;
  group: keyof typeof t.groups;
  text: string;
  note: string;
  icon: IconName;
  to?: string;
  run?: () => void;
}

export interface Where {
  project: string | null;
  env: string | null;
  service: string | null;
}

function page(text: string, to: string): Entry {
  return { key: `page ${to}`, group: "page", text, note: "", icon: "right", to };
}

function pages(me: Me | undefined): Entry[] {
  const list = [page(t.pages.projects, paths.home), page(t.pages.members, paths.workspace())];

  if (atLeast(me, role.admin))
    list.push(page(t.pages.invitations, paths.workspace("invitations")), page(t.pages.audit, paths.workspace("audit")), page(t.pages.workspaceSettings, paths.workspace("settings")));
  if (atLeast(me, role.member)) list.push(page(t.pages.registries, paths.workspace("registries")));
  list.push(page(t.pages.profile, paths.account()), page(t.pages.security, paths.account("security")), page(t.pages.tokens, paths.account("tokens")), page(t.pages.sessions, paths.account("sessions")));
  if (me?.user.is_superuser)
    list.push(
      page(t.pages.health, paths.system()),
      page(t.pages.upgrade, paths.system("upgrade")),
      page(t.pages.backups, paths.system("backups")),
      page(t.pages.disk, paths.system("disk")),
      page(t.pages.users, paths.system("users")),
      page(t.pages.workspaces, paths.system("workspaces")),
      page(t.pages.about, paths.system("about")),
    );
  return list;
}

function action(text: string, icon: IconName, what: { to: string } | { run: () => void }): Entry {
  return { key: `action ${text}`, group: "action", text, note: "", icon, ...what };
}

function actions(me: Me | undefined, at: Where): Entry[] {
  const list: Entry[] = [];

  if (at.project && at.env && at.service) {
    const here = { project: at.project, env: at.env, service: at.service };
    list.push(
      action(t.actions.logs(at.service), "menu", { to: paths.service(here, "logs") }),
      action(t.actions.deployments(at.service), "clock", { to: paths.service(here, "deployments") }),
      action(t.actions.settings(at.service), "edit", { to: paths.service(here, "settings") }),
    );
  }
  if (at.project && at.env && atLeast(me, role.member))
    list.push(action(t.actions.newService(at.env), "plus", { to: paths.newService(at.project, at.env) }), action(t.actions.variables(at.env), "edit", { to: paths.environment(at.project, at.env, "variables") }));
  if (atLeast(me, role.member)) list.push(action(t.actions.newProject, "plus", { to: paths.newProject }));
  list.push(
    action(t.actions.light, "ring", { run: () => setTheme("light") }),
    action(t.actions.dark, "moon", { run: () => setTheme("dark") }),
    action(t.actions.system, "ring", { run: () => setTheme("system") }),
  );
  return list;
}

/** Pages and actions for this person at this place. */
export function ownEntries(me: Me | undefined, at: Where): Entry[] {
  return [...actions(me, at), ...pages(me)];
}

export function placeOf(found: SearchResult): Entry {
  switch (found.type) {
    case "project":
      return place(paths.project(found.slug), found.slug, t.kinds.project);
    case "environment":
      return place(paths.project(found.project_slug, found.name), found.name, `${t.kinds.environment} · ${found.project_slug}`);
    case "service":
      return place(paths.service({ project: found.project_slug, env: found.environment, service: found.slug }), found.slug, `${t.kinds.service} · ${found.project_slug} / ${found.environment}`);
  }
}

function place(to: string, text: string, note: string): Entry {
  return { key: `place ${to}`, group: "place", text, note, icon: "right", to };
}

export function find(query: string, signal: AbortSignal): Promise<SearchResult[]> {
  return data(api.GET("/api/search-resources/", { params: { query: { query } }, signal }));
}
