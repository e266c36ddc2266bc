/* Where a view's lines come from: a service's or deployment's lines, or what the platform did for a deployment. */
import { api, data } from "~/api/client";
import type { ServicePath } from "~/api/keys";
import type { LogQuery } from "./filters";
import type { LogLine } from "~/api/types";

export type LogSource =
  | { kind: "service"; serviceId: string }
  | { kind: "deployment"; deploymentId: string } // its app's lines
  | { kind: "build"; path: ServicePath; hash: string };

export interface Page {
  lines: LogLine[]; // in the order that was asked for
  next: string | null;
}

export interface PageQuery extends LogQuery {
  order: "asc" | "desc";
  cursor?: string;
  per_page?: number;
}

export const PER_PAGE = 100;

export async function fetchPage(source: LogSource, query: PageQuery, signal?: AbortSignal): Promise<Page> {
  const q = { per_page: PER_PAGE, ...query };
  const init = signal ? { signal } : {};

  switch (source.kind) {
    case "service": {
      const page = await data(api.GET("/api/search/logs/", { params: { query: { ...q, service_id: source.serviceId, source: ["SERVICE"] } }, ...init }));
      return { lines: page.results, next: page.next };
    }
    case "deployment": {
      const page = await data(api.GET("/api/search/logs/", { params: { query: { ...q, deployment_id: source.deploymentId, source: ["SERVICE"] } }, ...init }));
      return { lines: page.results, next: page.next };
    }
    case "build": {
      const path = { project_slug: source.path.project, env_slug: source.path.env, service_slug: source.path.service, deployment_hash: source.hash };
      const page = await data(
        api.GET("/api/projects/{project_slug}/{env_slug}/service-details/{service_slug}/deployments/{deployment_hash}/build-logs/", { params: { path, query: q }, ...init }),
      );
      return { lines: page.results, next: page.next };
    }
  }
}

/** Address of the live lines. */
export function tailUrl(source: LogSource, query: LogQuery): string {
  const p = new URLSearchParams();
  switch (source.kind) {
    case "service":
      p.set("service_id", source.serviceId);
      p.append("source", "SERVICE");
      break;
    case "deployment":
      p.set("deployment_id", source.deploymentId);
      p.append("source", "SERVICE");
      break;
    case "build":
      p.set("deployment_id", source.hash);
      p.append("source", "SYSTEM");
      p.append("source", "BUILD");
      break;
  }
  if (query.query) p.set("query", query.query);
  for (const l of query.level ?? []) p.append("level", l);
  if (query.stream) p.set("stream", query.stream);
  return `/api/logs/tail/?${p.toString()}`;
}

export function sourceKey(source: LogSource): string {
  return source.kind === "service" ? source.serviceId : source.kind === "deployment" ? source.deploymentId : `build ${source.hash}`;
}
