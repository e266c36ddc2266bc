/* What can be done with variables: the same for those of a service, which wait for a deployment, and for the
 * shared ones of an environment, which are changed at once. */
import { api, data } from "~/api/client";
import type { ServicePath } from "~/api/keys";
import { keys } from "~/api/keys";
import { queryClient } from "~/api/query";
import { takeText, wish } from "./data";
import type { Variable } from "./dotenv";
import type { Item } from "./overlay";

export interface VariableActions {
  paths: readonly [key: string, value: string]; // where the API says what is wrong with them
  waits: boolean;
  save: (variable: Variable, row: Item<Variable> | null) => Promise<void>;
  remove: (row: Item<Variable>) => Promise<void>;
  undo: (row: Item<Variable>) => Promise<void>;
  /** Adds and changes what differs; others stay. */
  take: (text: string, added: readonly Variable[], changed: readonly Variable[], rows: readonly Item<Variable>[]) => Promise<void>;
}

export function serviceVariables(p: ServicePath): VariableActions {
  return {
    paths: ["new_value.key", "new_value.value"],
    waits: true,
    save: (new_value, row) =>
      wish(p, {
        body: row?.itemId ? { field: "env_variables", type: "UPDATE", item_id: row.itemId, new_value } : { field: "env_variables", type: "ADD", new_value },
        instead: row?.change ?? null,
      }),
    remove: (row) => wish(p, { body: row.itemId ? { field: "env_variables", type: "DELETE", item_id: row.itemId } : null, instead: row.change }),
    undo: (row) => wish(p, { body: null, instead: row.change }),
    take: (text) => takeText(p, text),
  };
}

export function sharedVariables(project: string, env: string): VariableActions {
  const path = { project_slug: project, env_slug: env };
  const changed = () => {
    void queryClient.invalidateQueries({ queryKey: keys.environment(project, env) });
    void queryClient.invalidateQueries({ queryKey: ["service", project, env] }); // they show the shared ones
  };
  const save = async (body: Variable, id: string | null) => {
    if (id) await data(api.PATCH("/api/projects/{project_slug}/{env_slug}/variables/{id}/", { params: { path: { ...path, id } }, body }));
    else await data(api.POST("/api/projects/{project_slug}/{env_slug}/variables/", { params: { path }, body }));
  };
  return {
    paths: ["key", "value"],
    waits: false,
    save: (v, row) => save(v, row?.itemId ?? null).finally(changed),
    remove: (row) => data(api.DELETE("/api/projects/{project_slug}/{env_slug}/variables/{id}/", { params: { path: { ...path, id: row.key } } })).finally(changed),
    undo: () => Promise.resolve(),
    take: async (_, added, altered, rows) => {
      try {
        for (const v of [...added, ...altered]) await save({ key: v.key, value: v.value }, rows.find((r) => r.value.key === v.key)?.itemId ?? null);
      } finally {
        changed();
      }
    },
  };
}
