/* Which kept answers a change on the server makes out of date. */
import type { QueryKey } from "@tanstack/react-query";

/** Data of an event `change` of GET /api/events/. */
export interface Change {
  kind: string;
  project?: string | null; // slug
  environment?: string | null; // name
  service?: string | null; // slug
  deployment?: string | null; // hash
}

function place(...parts: (string | null | undefined)[]): string[] {
  const known: string[] = [];
  for (const p of parts) {
    if (!p) break;
    known.push(p);
  }
  return known;
}

/** Prefixes of query keys; a place that the change does not name touches all of its kind. */
export function touched(c: Change): QueryKey[] {
  const env = place(c.project, c.environment);
  const service = place(c.project, c.environment, c.service);

  switch (c.kind) {
    case "project":
      return [["projects"], ["project", ...place(c.project)], ["environment", ...place(c.project)], ["search"]];
    case "environment":
      return [["projects"], ["project", ...place(c.project)], ["environment", ...env], ["services", ...env], ["search"]];
    case "variable":
      return [["environment", ...env], ["service", ...env]]; // a service shows those of its environment
    case "service":
      return [["services", ...env], ["service", ...service], ["projects"], ["search"]];
    case "deployment":
      return [
        ["deployments", ...service],
        ["deployment", ...place(c.project, c.environment, c.service, c.deployment)],
        ["build-log", ...place(c.project, c.environment, c.service, c.deployment)],
        ["services", ...env],
        ["service", ...service],
        ["projects"],
        ["recent-deployments"],
      ];
    case "registry":
      return [["registries"]];
    case "member":
    case "invitation":
    case "workspace":
      return [["workspace"], ["workspaces"], ["me"]];
    default:
      return [[]]; // something newer than this page: everything
  }
}
