import { useQuery } from "@tanstack/react-query";
import { api, data } from "~/api/client";
import { keys } from "~/api/keys";
import type { Me } from "~/api/types";

/** The person who is logged in; an error with status 401 if nobody is. */
export function useMe() {
  return useQuery({ queryKey: keys.me, queryFn: ({ signal }) => data(api.GET("/api/auth/me/", { signal })) });
}

/** Roles as the API counts them. */
export const role = { guest: 10, member: 30, admin: 40, owner: 50 } as const;

export function atLeast(me: Me | undefined, least: number): boolean {
  return (me?.membership?.role ?? 0) >= least;
}
