/* What the settings of a service are read from and written with. A change waits until the next deployment. */
import { useMutation, useQuery } from "@tanstack/react-query";
import { api, data } from "~/api/client";
import type { ServicePath } from "~/api/keys";
import { keys } from "~/api/keys";
import { queryClient } from "~/api/query";
import type { Service, ServiceChange, ServiceChangeRequest } from "~/api/types";

/* The client's types leave out members that are always null. */
async function shown(answer: Promise<Pick<Service, "slug" | "unapplied_changes">>): Promise<Service> {
  return (await answer) as Service;
}

function place(p: ServicePath) {
  return { project_slug: p.project, env_slug: p.env, service_slug: p.service };
}

export function useService(p: ServicePath) {
  return useQuery({
    queryKey: keys.service(p),
    queryFn: ({ signal }) => shown(data(api.GET("/api/projects/{project_slug}/{env_slug}/service-details/{service_slug}/", { params: { path: place(p) }, signal }))),
  });
}

async function request(p: ServicePath, body: ServiceChangeRequest): Promise<Service> {
  return shown(data(api.PUT("/api/projects/{project_slug}/{env_slug}/request-service-changes/{service_slug}/", { params: { path: place(p) }, body })));
}

async function cancel(p: ServicePath, change: ServiceChange): Promise<void> {
  await data(api.DELETE("/api/projects/{project_slug}/{env_slug}/cancel-service-changes/{service_slug}/{change_id}/", { params: { path: { ...place(p), change_id: change.id } } }));
}

/** The request that a waiting change came from. */
function again(change: ServiceChange): ServiceChangeRequest {
  const { field, type, item_id, new_value } = change;
  return (type === "DELETE" ? { field, type, item_id } : type === "ADD" ? { field, type, new_value } : { field, type, item_id, new_value }) as ServiceChangeRequest;
}

export interface Wish {
  body: ServiceChangeRequest | null; // null: only take back
  instead: ServiceChange | null; // of the same item: the API takes one at a time
}

/** After a change of a service: shown by its answer, or known by the server alone. */
function settled(p: ServicePath, service: Service | null): void {
  if (service) queryClient.setQueryData(keys.service(p), service);
  else void queryClient.invalidateQueries({ queryKey: keys.service(p), exact: true });
  void queryClient.invalidateQueries({ queryKey: keys.services(p.project, p.env) });
}

/** A refused wish leaves what waited before as it was. */
export async function wish(p: ServicePath, { body, instead }: Wish): Promise<void> {
  let service: Service | null = null;
  let back: ServiceChange | null = null;
  try {
    if (instead) {
      await cancel(p, instead);
      back = instead;
    }
    if (body) service = await request(p, body);
  } catch (e) {
    if (back) await request(p, again(back)).catch(() => null); // what was refused matters more
    throw e;
  } finally {
    settled(p, service);
  }
}

export function useWish(p: ServicePath, onDone?: () => void) {
  return useMutation({ mutationFn: (w: Wish) => wish(p, w), ...(onDone ? { onSuccess: onDone } : {}) });
}

export async function takeText(p: ServicePath, new_value: string): Promise<void> {
  settled(p, await shown(data(api.PUT("/api/projects/{project_slug}/{env_slug}/request-env-changes/{service_slug}/", { params: { path: place(p) }, body: { new_value } }))));
}

export interface Identity {
  slug?: string;
  auto_deploy_enabled?: boolean;
  watch_paths?: string | null;
  cleanup_queue_on_auto_deploy?: boolean;
  pr_preview_envs_enabled?: boolean;
}

/** What takes effect at once. */
export function usePatchService(p: ServicePath, onDone?: (service: Service) => void) {
  return useMutation({
    mutationFn: (body: Identity) => shown(data(api.PATCH("/api/projects/{project_slug}/{env_slug}/service-details/{service_slug}/", { params: { path: place(p) }, body }))),
    onSuccess: (service) => {
      settled({ ...p, service: service.slug }, service);
      onDone?.(service);
    },
  });
}

export function useNewDeployToken(p: ServicePath, onDone: () => void) {
  return useMutation({
    mutationFn: () => shown(data(api.PATCH("/api/projects/{project_slug}/{env_slug}/service-details/{service_slug}/regenerate-deploy-token/", { params: { path: place(p) } }))),
    onSuccess: (service) => {
      settled(p, service);
      onDone();
    },
  });
}

export function useArchiveService(p: ServicePath, onDone: () => void) {
  return useMutation({
    mutationFn: () => data(api.DELETE("/api/projects/{project_slug}/{env_slug}/archive-service/docker/{service_slug}/", { params: { path: place(p) } })),
    onSuccess: () => {
      onDone();
      void queryClient.invalidateQueries({ queryKey: keys.services(p.project, p.env) });
      void queryClient.invalidateQueries({ queryKey: keys.projects() });
      void queryClient.invalidateQueries({ queryKey: keys.recent });
    },
  });
}

export function useDetectedPorts(p: ServicePath) {
  return useQuery({
    queryKey: keys.servicePart(p, "detected-ports"),
    queryFn: ({ signal }) => data(api.GET("/api/projects/{project_slug}/{env_slug}/service-details/{service_slug}/detected-ports/", { params: { path: place(p) }, signal })),
  });
}

export function useAvailableVolumes(p: ServicePath) {
  return useQuery({
    queryKey: keys.servicePart(p, "available-volumes"),
    queryFn: ({ signal }) => data(api.GET("/api/projects/{project_slug}/{env_slug}/{service_slug}/available-volumes/", { params: { path: place(p) }, signal })),
  });
}

export function useRegistries() {
  return useQuery({ queryKey: keys.registries(), queryFn: ({ signal }) => data(api.GET("/api/registries/credentials/", { signal })) });
}

export function useServerLimits() {
  return useQuery({ queryKey: keys.system("resource-limits"), queryFn: ({ signal }) => data(api.GET("/api/server/resource-limits/", { signal })) });
}

export function useSettings() {
  return useQuery({ queryKey: keys.settings, queryFn: ({ signal }) => data(api.GET("/api/settings/", { signal })) });
}
