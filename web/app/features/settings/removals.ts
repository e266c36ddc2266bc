/* What goes when something is archived, looked up when somebody is about to do it. */
import { useQuery } from "@tanstack/react-query";
import { api, data } from "~/api/client";
import type { ServicePath } from "~/api/keys";
import { keys } from "~/api/keys";

export interface DoomedService {
  slug: string;
  volumes: string[]; // names; folders of the host stay
  domains: string[];
  deployments: number;
}

export interface DoomedEnvironment {
  name: string;
  variables: number;
  services: DoomedService[];
}

const AT_ONCE = 6;

async function inBatches<T, R>(all: readonly T[], one: (value: T) => Promise<R>): Promise<R[]> {
  const ret: R[] = [];
  for (let i = 0; i < all.length; i += AT_ONCE) ret.push(...(await Promise.all(all.slice(i, i + AT_ONCE).map(one))));
  return ret;
}

async function doomedService(p: ServicePath, signal: AbortSignal): Promise<DoomedService> {
  const path = { project_slug: p.project, env_slug: p.env, service_slug: p.service };
  const [service, deployments] = await Promise.all([
    data(api.GET("/api/projects/{project_slug}/{env_slug}/service-details/{service_slug}/", { params: { path }, signal })),
    data(api.GET("/api/projects/{project_slug}/{env_slug}/service-details/{service_slug}/deployments/", { params: { path, query: { per_page: "1" } }, signal })),
  ]);
  return {
    slug: service.slug,
    volumes: service.volumes.filter((v) => v.host_path === null).map((v) => v.name),
    domains: [...new Set(service.urls.map((u) => u.domain))],
    deployments: deployments.count,
  };
}

async function doomedEnvironment(project: string, env: string, signal: AbortSignal): Promise<DoomedEnvironment> {
  const [place, services] = await Promise.all([
    data(api.GET("/api/projects/{slug}/environment-details/{env_slug}/", { params: { path: { slug: project, env_slug: env } }, signal })),
    data(api.GET("/api/projects/{slug}/{env_slug}/service-list/", { params: { path: { slug: project, env_slug: env } }, signal })),
  ]);
  return { name: env, variables: place.variables.length, services: await inBatches(services, (s) => doomedService({ project, env, service: s.slug }, signal)) };
}

/* Under the project's key, and fetched each time it is asked for: an old list would be a false one. */
const fresh = { staleTime: 0, gcTime: 0 } as const;

export function useDoomedService(p: ServicePath) {
  return useQuery({ ...fresh, queryKey: keys.servicePart(p, "doomed"), queryFn: ({ signal }) => doomedService(p, signal) });
}

export function useDoomedEnvironments(project: string, names: readonly string[]) {
  return useQuery({
    ...fresh,
    queryKey: [...keys.project(project), "doomed", ...names],
    queryFn: async ({ signal }) => {
      const ret: DoomedEnvironment[] = [];
      for (const name of names) ret.push(await doomedEnvironment(project, name, signal));
      return ret;
    },
  });
}
