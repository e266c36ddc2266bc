/* What the settings of a service are read from and written with. A change waits until the next deployment. */
import { keepPreviousData, useMutation, useQuery } from "@tanstack/react-query";
import { api, data } from "~/api/client";
import type { ServicePath } from "~/api/keys";
import { keys } from "~/api/keys";
import { queryClient } from "~/api/query";
import { refreshService, servicePath } from "~/api/service";
import type { Service, ServiceChange, ServiceChangeRequest } from "~/api/types";

async function request(p: ServicePath, body: ServiceChangeRequest): Promise<void> {
  await data(api.PUT("/api/projects/{project_slug}/{env_slug}/request-service-changes/{service_slug}/", { params: { path: servicePath(p) }, body }));
}

async function cancel(p: ServicePath, change: ServiceChange): Promise<void> {
  await data(api.DELETE("/api/projects/{project_slug}/{env_slug}/cancel-service-changes/{service_slug}/{change_id}/", { params: { path: { ...servicePath(p), change_id: change.id } } }));
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

/** The change as it waits now: one that was asked for again has another id. Null: it is gone meanwhile. */
export function waitingNow(service: Service | undefined, change: ServiceChange): ServiceChange | null {
  const all = service?.unapplied_changes ?? [];
  const same = (c: ServiceChange) => c.field === change.field && c.type === change.type && c.item_id === change.item_id && JSON.stringify(c.new_value) === JSON.stringify(change.new_value);
  return all.find((c) => c.id === change.id) ?? all.find(same) ?? null;
}

/** A refused wish leaves what waited before as it was. */
export async function wish(p: ServicePath, { body, instead }: Wish): Promise<void> {
  let back: ServiceChange | null = null;
  try {
    const former = instead && waitingNow(queryClient.getQueryData(keys.service(p)), instead);
    if (former) {
      await cancel(p, former);
      back = former;
    }
    if (body) await request(p, body);
  } catch (e) {
    if (back) await request(p, again(back)).catch(() => null); // what was refused matters more
    throw e;
  } finally {
    await refreshService(p);
  }
}

export function useWish(p: ServicePath, onDone?: () => void) {
  return useMutation({ mutationFn: (w: Wish) => wish(p, w), ...(onDone ? { onSuccess: onDone } : {}) });
}

export async function takeText(p: ServicePath, new_value: string): Promise<void> {
  await data(api.PUT("/api/projects/{project_slug}/{env_slug}/request-env-changes/{service_slug}/", { params: { path: servicePath(p) }, body: { new_value } }));
  await refreshService(p);
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
    mutationFn: (body: Identity) => data(api.PATCH("/api/projects/{project_slug}/{env_slug}/service-details/{service_slug}/", { params: { path: servicePath(p) }, body })),
    onSuccess: (service) => {
      queryClient.setQueryData(keys.service({ ...p, service: service.slug }), service); // what the page of its new name begins with
      void queryClient.invalidateQueries({ queryKey: keys.services(p.project, p.env) });
      onDone?.(service);
    },
  });
}

export function useArchiveService(p: ServicePath, onDone: () => void) {
  return useMutation({
    mutationFn: () => data(api.DELETE("/api/projects/{project_slug}/{env_slug}/archive-service/docker/{service_slug}/", { params: { path: servicePath(p) } })),
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
    queryFn: ({ signal }) => data(api.GET("/api/projects/{project_slug}/{env_slug}/service-details/{service_slug}/detected-ports/", { params: { path: servicePath(p) }, signal })),
  });
}

/** Asked for once for these names, not at every step of a deployment: the server asks the DNS and the proxy. */
export function useDomainStates(p: ServicePath, names: readonly string[]) {
  return useQuery({
    queryKey: keys.domainStates(p, names),
    enabled: names.length > 0,
    placeholderData: keepPreviousData,
    queryFn: ({ signal }) => data(api.GET("/api/projects/{project_slug}/{env_slug}/service-details/{service_slug}/domain-states/", { params: { path: servicePath(p) }, signal })),
  });
}

export function useAvailableVolumes(p: ServicePath) {
  return useQuery({
    queryKey: keys.servicePart(p, "available-volumes"),
    queryFn: ({ signal }) => data(api.GET("/api/projects/{project_slug}/{env_slug}/{service_slug}/available-volumes/", { params: { path: servicePath(p) }, signal })),
  });
}

export function useServerLimits() {
  return useQuery({ queryKey: keys.system("resource-limits"), queryFn: ({ signal }) => data(api.GET("/api/server/resource-limits/", { signal })) });
}

export function useSettings() {
  return useQuery({ queryKey: keys.settings, queryFn: ({ signal }) => data(api.GET("/api/settings/", { signal })) });
}
