import { useQuery } from "@tanstack/react-query";
import { api, data } from "./client";
import { keys } from "./keys";

/** Logins of the workspace for image registries. */
export function useRegistries(enabled = true) {
  return useQuery({ queryKey: keys.registries(), queryFn: ({ signal }) => data(api.GET("/api/registries/credentials/", { signal })), enabled });
}
