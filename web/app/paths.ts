/* The dashboard's own addresses, in one place. */
import type { ServicePath } from "./api/keys";

const part = encodeURIComponent;

export const paths = {
  home: "/",
  login: "/login",
  setup: "/setup",
  welcome: "/welcome",
  newProject: "/new-project",
  project: (project: string, env = "production") => `/project/${part(project)}/${part(env)}`,
  projectSettings: (project: string) => `/project-settings/${part(project)}`,
  environment: (project: string, env: string, tab?: "variables" | "settings") => `/project/${part(project)}/${part(env)}${tab ? `/${tab}` : ""}`,
  newService: (project: string, env: string) => `/project/${part(project)}/${part(env)}/new-service`,
  service: (p: ServicePath, tab?: string) => `/project/${part(p.project)}/${part(p.env)}/service/${part(p.service)}${tab ? `/${tab}` : ""}`,
  deployment: (p: ServicePath, hash: string, tab?: string) => `/project/${part(p.project)}/${part(p.env)}/service/${part(p.service)}/deployments/${part(hash)}${tab ? `/${tab}` : ""}`,
  workspace: (tab?: "invitations" | "registries" | "audit" | "settings") => `/workspace${tab ? `/${tab}` : ""}`,
  account: (tab?: "security" | "tokens" | "sessions") => `/account${tab ? `/${tab}` : ""}`,
  system: (tab?: "upgrade" | "backups" | "disk" | "users" | "workspaces" | "about") => `/system${tab ? `/${tab}` : ""}`,
  invitation: (token: string) => `/invitation/${part(token)}`,
  resetPassword: (token: string) => `/reset-password/${part(token)}`,
} as const;

/** Where a login leads: a path of ours from ?next=, never another site. */
export function nextPath(search: string): string {
  const next = new URLSearchParams(search).get("next") ?? "";
  return /^\/(?![/\\])/.test(next) && !next.startsWith(paths.login) ? next : paths.home;
}
