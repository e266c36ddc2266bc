/* A service as its next deployment would make it: what it has, with the changes that wait laid over it. */
import type { Service, ServiceChange } from "~/api/types";

/** What the items of each list are, without what the API adds to them. */
export interface ItemValues {
  volumes: { name: string; container_path: string; host_path: string | null; mode: "READ_ONLY" | "READ_WRITE" };
  shared_volumes: { volume_id: string; container_path: string };
  env_variables: { key: string; value: string };
  urls: { domain: string; base_path: string; strip_prefix: boolean; redirect_to: { url: string; permanent: boolean } | null; associated_port: number | null };
  ports: { host: number; forwarded: number };
  configs: { name: string; mount_path: string; contents: string; language: string };
}

export type ListField = keyof ItemValues;

export interface SingleValues {
  source: { image: string; container_registry_credentials_id?: string | null };
  command: string | null;
  healthcheck: { type: "PATH" | "COMMAND"; value: string; timeout_seconds: number; interval_seconds: number; associated_port: number | null } | null;
  resource_limits: { cpus: number | null; memory: { value: number; unit: MemoryUnit } | null } | null;
}

export type MemoryUnit = "BYTES" | "KILOBYTES" | "MEGABYTES" | "GIGABYTES";
export type SingleField = keyof SingleValues;

/** live: as deployed; the others wait for a deployment. */
export type ItemState = "live" | "added" | "changed" | "removed";

export interface Item<T> {
  key: string; // of the item, or of the change that adds it
  itemId: string | null; // null: it is not deployed yet
  state: ItemState;
  value: T; // as wanted; of a removed one as it was
  old: T | null; // what is deployed, where that differs
  change: ServiceChange | null; // what can be undone
}

function changesOf(service: Service, field: ServiceChange["field"]): ServiceChange[] {
  return service.unapplied_changes.filter((c) => c.field === field);
}

export function items<F extends ListField>(service: Service, field: F): Item<ItemValues[F]>[] {
  type Value = ItemValues[F];
  const waiting = changesOf(service, field);
  const have = (service[field] as unknown as (Value & { id: string })[]).map((value): Item<Value> => {
    const change = waiting.find((c) => c.item_id === value.id) ?? null;
    if (!change) return { key: value.id, itemId: value.id, state: "live", value, old: null, change };
    if (change.type === "DELETE") return { key: value.id, itemId: value.id, state: "removed", value, old: value, change };
    return { key: value.id, itemId: value.id, state: "changed", value: change.new_value as Value, old: value, change };
  });
  const added = waiting
    .filter((c) => c.type === "ADD")
    .map((change): Item<Value> => ({ key: change.id, itemId: null, state: "added", value: change.new_value as Value, old: null, change }));
  return [...have, ...added];
}

export interface Single<T> {
  value: T | null; // as wanted; null: there is none
  old: T | null; // what is deployed
  change: ServiceChange | null;
}

type Singles = { [F in SingleField]: SingleValues[F] | null };

function deployed(service: Service): Singles {
  const { image, container_registry_credentials: login, command, healthcheck, resource_limits } = service;
  return { source: image === null ? null : { image, container_registry_credentials_id: login?.id ?? null }, command, healthcheck, resource_limits };
}

export function single<F extends SingleField>(service: Service, field: F): Single<SingleValues[F]> {
  const old = deployed(service)[field];
  const change = changesOf(service, field)[0] ?? null;
  return { value: change ? (change.new_value as SingleValues[F] | null) : old, old, change };
}

/** Ports that the container is said to listen on, wherever the service names one; each once. */
export function knownPorts(service: Service, detected: readonly { port_number: number; protocol: string }[]): number[] {
  const health = single(service, "healthcheck").value;
  const all = [
    ...detected.filter((p) => p.protocol === "tcp").map((p) => p.port_number),
    ...items(service, "urls").map((u) => u.value.associated_port),
    ...items(service, "ports").map((p) => p.value.forwarded),
    health?.associated_port ?? null,
  ];
  return [...new Set(all.filter((p) => p !== null))].sort((a, b) => a - b);
}
