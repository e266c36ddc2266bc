/* Keys of all that is kept, in one place, because live events make them out of date by what they name. */

export interface ServicePath {
  project: string; // slug
  env: string; // name
  service: string; // slug
}

export const keys = {
  me: ["me"] as const,
  userExists: ["user-exists"] as const,
  settings: ["settings"] as const,
  workspaces: ["workspaces"] as const,
  workspace: (...rest: string[]) => ["workspace", ...rest] as const, // members, invitations
  projects: (filter?: object) => (filter ? (["projects", filter] as const) : (["projects"] as const)),
  project: (project: string) => ["project", project] as const,
  recent: ["recent-deployments"] as const,
  environment: (project: string, env: string) => ["environment", project, env] as const,
  services: (project: string, env: string) => ["services", project, env] as const,
  service: (p: ServicePath) => ["service", p.project, p.env, p.service] as const,
  servicePart: (p: ServicePath, part: string) => ["service", p.project, p.env, p.service, part] as const,
  domainStates: (p: ServicePath, names: readonly string[]) => ["domain-states", p.project, p.env, p.service, [...names].sort()] as const,
  deployments: (p: ServicePath, filter?: object) =>
    filter ? (["deployments", p.project, p.env, p.service, filter] as const) : (["deployments", p.project, p.env, p.service] as const),
  deployment: (p: ServicePath, hash: string) => ["deployment", p.project, p.env, p.service, hash] as const,
  buildLog: (p: ServicePath, hash: string) => ["build-log", p.project, p.env, p.service, hash] as const,
  registries: (...rest: string[]) => ["registries", ...rest] as const,
  search: (text: string) => ["search", text] as const,
  account: (part: string) => ["account", part] as const, // tokens, sessions, totp
  system: (part: string, filter?: object) => (filter ? (["system", part, filter] as const) : (["system", part] as const)),
} as const;
