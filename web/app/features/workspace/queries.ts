import { useQuery } from "@tanstack/react-query";
import { api, data } from "~/api/client";
import { keys } from "~/api/keys";
import { queryClient } from "~/api/query";

export function refreshPeople(): Promise<void> {
  return queryClient.invalidateQueries({ queryKey: keys.workspace() });
}

export const PER_PAGE = 50;

export function useMembers(page = 1) {
  return useQuery({
    queryKey: keys.workspace("members", String(page)),
    queryFn: ({ signal }) => data(api.GET("/api/workspace/members/", { params: { query: { page, per_page: PER_PAGE } }, signal })),
  });
}

export function useInvitations() {
  return useQuery({ queryKey: keys.workspace("invitations"), queryFn: ({ signal }) => data(api.GET("/api/workspace/invitations/", { signal })) });
}

export function useProjects() {
  return useQuery({ queryKey: keys.projects(), queryFn: ({ signal }) => data(api.GET("/api/projects/", { signal })) });
}
