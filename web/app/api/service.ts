/* A service and its deployments: what is fetched and what can be done, for every page that shows them. */
import { useMutation, useQuery } from "@tanstack/react-query";
import { api, data } from "./client";
import { keys, type ServicePath } from "./keys";
import { queryClient } from "./query";
import type { Deployment, DeploymentStatus, ServiceChangeRequest } from "./types";

export function servicePath(p: ServicePath) {
  return { project_slug: p.project, env_slug: p.env, service_slug: p.service };
}

/** What a change of the service makes out of date. */
export async function refreshService(p: ServicePath): Promise<void> {
  await Promise.all([queryClient.invalidateQueries({ queryKey: keys.service(p) }), queryClient.invalidateQueries({ queryKey: keys.services(p.project, p.env) })]);
}

async function refreshDeployments(p: ServicePath): Promise<void> {
  await Promise.all([
    refreshService(p),
    queryClient.invalidateQueries({ queryKey: keys.deployments(p) }),
    queryClient.invalidateQueries({ queryKey: ["deployment", p.project, p.env, p.service] }),
    queryClient.invalidateQueries({ queryKey: keys.projects() }),
  ]);
}

export function useService(p: ServicePath) {
  return useQuery({
    queryKey: keys.service(p),
    queryFn: ({ signal }) => data(api.GET("/api/projects/{project_slug}/{env_slug}/service-details/{service_slug}/", { params: { path: servicePath(p) }, signal })),
  });
}

export interface DeploymentFilter {
  page?: number;
  per_page?: number;
  status?: DeploymentStatus[];
}

export function useDeployments(p: ServicePath, filter: DeploymentFilter = {}) {
  return useQuery({
    queryKey: keys.deployments(p, filter),
    queryFn: ({ signal }) =>
      data(
        api.GET("/api/projects/{project_slug}/{env_slug}/service-details/{service_slug}/deployments/", {
          params: {
            path: servicePath(p),
            query: { ...(filter.page ? { page: String(filter.page) } : {}), ...(filter.per_page ? { per_page: String(filter.per_page) } : {}), ...(filter.status?.length ? { status: filter.status } : {}) },
          },
          signal,
        }),
      ),
    placeholderData: (before) => before,
  });
}

export function useDeployment(p: ServicePath, hash: string) {
  return useQuery({
    queryKey: keys.deployment(p, hash),
    queryFn: ({ signal }) =>
      data(
        api.GET("/api/projects/{project_slug}/{env_slug}/service-details/{service_slug}/deployments/{deployment_hash}/", {
          params: { path: { ...servicePath(p), deployment_hash: hash } },
          signal,
        }),
      ),
  });
}

export function useBuildLines(p: ServicePath, hash: string) {
  return useQuery({
    queryKey: keys.buildLog(p, hash),
    queryFn: ({ signal }) =>
      data(
        api.GET("/api/projects/{project_slug}/{env_slug}/service-details/{service_slug}/deployments/{deployment_hash}/build-logs/", {
          params: { path: { ...servicePath(p), deployment_hash: hash }, query: { order: "asc", per_page: 100 } },
          signal,
        }),
      ),
  });
}

export function useRequestChange(p: ServicePath) {
  return useMutation({
    mutationFn: (body: ServiceChangeRequest) =>
      data(
        api.PUT("/api/projects/{project_slug}/{env_slug}/request-service-changes/{service_slug}/", {
          params: { path: servicePath(p) },
          body,
        }),
      ),
    onSuccess: () => refreshService(p),
  });
}

export function useCancelChange(p: ServicePath) {
  return useMutation({
    mutationFn: (id: string) =>
      data(api.DELETE("/api/projects/{project_slug}/{env_slug}/cancel-service-changes/{service_slug}/{change_id}/", { params: { path: { ...servicePath(p), change_id: id } } })),
    onSettled: () => refreshService(p),
  });
}

export function useDeploy(p: ServicePath) {
  return useMutation({
    mutationFn: (message: string) =>
      data(
        api.PUT("/api/projects/{project_slug}/{env_slug}/deploy-service/docker/{service_slug}/", {
          params: { path: servicePath(p) },
          body: message ? { commit_message: message } : {},
        }),
      ),
    onSuccess: () => refreshDeployments(p),
  });
}

export function useRedeploy(p: ServicePath) {
  return useMutation({
    mutationFn: (hash: string) =>
      data(api.PUT("/api/projects/{project_slug}/{env_slug}/redeploy-service/docker/{service_slug}/{deployment_hash}/", { params: { path: { ...servicePath(p), deployment_hash: hash } } })),
    onSuccess: () => refreshDeployments(p),
  });
}

export function useCancelDeployment(p: ServicePath) {
  return useMutation({
    mutationFn: (hash: string) =>
      data(api.PUT("/api/projects/{project_slug}/{env_slug}/cancel-deployment/{service_slug}/{deployment_hash}/", { params: { path: { ...servicePath(p), deployment_hash: hash } } })),
    onSettled: () => refreshDeployments(p),
  });
}

export function useToggle(p: ServicePath) {
  return useMutation({
    mutationFn: (desired: "start" | "stop") =>
      data(api.PUT("/api/projects/{project_slug}/{env_slug}/toggle-service/{service_slug}/", { params: { path: servicePath(p) }, body: { desired_state: desired } })),
    onSettled: () => refreshDeployments(p),
  });
}

export function useCleanupQueue(p: ServicePath) {
  return useMutation({
    mutationFn: () => data(api.PUT("/api/projects/{project_slug}/{env_slug}/service-details/{service_slug}/cleanup-deployment-queue/", { params: { path: servicePath(p) } })),
    onSettled: () => refreshDeployments(p),
  });
}

export function useRegenerateToken(p: ServicePath) {
  return useMutation({
    mutationFn: () => data(api.PATCH("/api/projects/{project_slug}/{env_slug}/service-details/{service_slug}/regenerate-deploy-token/", { params: { path: servicePath(p) } })),
    onSuccess: () => refreshService(p),
  });
}

/** The one that serves, if any, and the ones that are on their way. */
export function current(list: readonly Deployment[]): { production: Deployment | undefined; open: Deployment[] } {
  return { production: list.find((d) => d.is_current_production), open: list.filter((d) => d.finished_at === null && !["HEALTHY", "UNHEALTHY", "SLEEPING", "REMOVED"].includes(d.status)) };
}
