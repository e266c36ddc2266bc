import { useQuery } from "@tanstack/react-query";
import { api, data } from "~/api/client";
import { keys } from "~/api/keys";

export function useSettings() {
  return useQuery({ queryKey: keys.settings, queryFn: ({ signal }) => data(api.GET("/api/settings/", { signal })) });
}
