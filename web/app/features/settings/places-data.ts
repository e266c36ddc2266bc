/* Projects and environments: what is read and what is asked for. */
import { useMutation, useQuery } from "@tanstack/react-query";
import { api, data } from "~/api/client";
import { keys } from "~/api/keys";
import { queryClient } from "~/api/query";

function projectsChanged(project?: string): void {
  void queryClient.invalidateQueries({ queryKey: keys.projects() });
  if (project) void queryClient.invalidateQueries({ queryKey: keys.project(project) });
}

export function useProject(project: string) {
  return useQuery({ queryKey: keys.project(project), queryFn: ({ signal }) => data(api.GET("/api/projects/{slug}/", { params: { path: { slug: project } }, signal })) });
}

export function useEnvironment(project: string, env: string) {
  return useQuery({
    queryKey: keys.environment(project, env),
    queryFn: ({ signal }) => data(api.GET("/api/projects/{slug}/environment-details/{env_slug}/", { params: { path: { slug: project, env_slug: env } }, signal })),
  });
}

export function useCreateProject(onDone: (slug: string) => void) {
  return useMutation({
    mutationFn: (body: { slug?: string; description?: string }) => data(api.POST("/api/projects/", { body })),
    onSuccess: (p) => {
      projectsChanged();
      onDone(p.slug);
    },
  });
}

export function useChangeProject(project: string, onDone: (slug: string) => void) {
  return useMutation({
    mutationFn: (body: { slug: string; description: string }) => data(api.PUT("/api/projects/{slug}/", { params: { path: { slug: project } }, body })),
    onSuccess: (p) => {
      queryClient.setQueryData(keys.project(p.slug), p);
      projectsChanged(p.slug);
      onDone(p.slug);
    },
  });
}

export function useArchiveProject(project: string, onDone: () => void) {
  return useMutation({
    mutationFn: () => data(api.DELETE("/api/projects/{slug}/", { params: { path: { slug: project } } })),
    onSuccess: () => {
      onDone();
      projectsChanged();
      void queryClient.invalidateQueries({ queryKey: keys.recent });
    },
  });
}

export function useCreateEnvironment(project: string, onDone: (name: string) => void) {
  return useMutation({
    mutationFn: (name: string) => data(api.POST("/api/projects/{slug}/create-environment/", { params: { path: { slug: project } }, body: { name } })),
    onSuccess: (e) => {
      projectsChanged(project);
      onDone(e.name);
    },
  });
}

export function useCloneEnvironment(project: string, env: string, onDone: (name: string) => void) {
  return useMutation({
    mutationFn: (body: { name: string; deploy_after_clone: boolean }) => data(api.POST("/api/projects/{slug}/clone-environment/{env_slug}/", { params: { path: { slug: project, env_slug: env } }, body })),
    onSuccess: (e) => {
      projectsChanged(project);
      void queryClient.invalidateQueries({ queryKey: keys.recent });
      onDone(e.name);
    },
  });
}

export function useRenameEnvironment(project: string, env: string, onDone: (name: string) => void) {
  return useMutation({
    mutationFn: (name: string) => data(api.PATCH("/api/projects/{slug}/environment-details/{env_slug}/", { params: { path: { slug: project, env_slug: env } }, body: { name } })),
    onSuccess: (e) => {
      projectsChanged(project);
      onDone(e.name);
    },
  });
}

export function useArchiveEnvironment(project: string, env: string, onDone: () => void) {
  return useMutation({
    mutationFn: () => data(api.DELETE("/api/projects/{slug}/environment-details/{env_slug}/", { params: { path: { slug: project, env_slug: env } } })),
    onSuccess: () => {
      onDone();
      projectsChanged(project);
      void queryClient.invalidateQueries({ queryKey: keys.recent });
    },
  });
}

export type BulkAction = "deploy" | "start" | "stop";

export function useBulk(project: string, env: string, onDone: (action: BulkAction, n: number) => void) {
  const path = { project_slug: project, env_slug: env };
  return useMutation({
    mutationFn: ({ action, ids }: { action: BulkAction; ids: string[] }) =>
      action === "deploy"
        ? data(api.PUT("/api/projects/{project_slug}/{env_slug}/bulk-deploy-services/", { params: { path }, body: { service_ids: ids } }))
        : data(api.PUT("/api/projects/{project_slug}/{env_slug}/bulk-toggle-services/", { params: { path }, body: { desired_state: action, service_ids: ids } })),
    onSuccess: (_, { action, ids }) => {
      void queryClient.invalidateQueries({ queryKey: keys.services(project, env) });
      void queryClient.invalidateQueries({ queryKey: ["service", project, env] });
      void queryClient.invalidateQueries({ queryKey: ["deployments", project, env] });
      projectsChanged();
      void queryClient.invalidateQueries({ queryKey: keys.recent });
      onDone(action, ids.length);
    },
  });
}

/** For members; under the environment's key, which a change of a variable makes out of date. */
export function useSharedVariables(project: string, env: string) {
  return useQuery({
    queryKey: [...keys.environment(project, env), "variables"],
    queryFn: ({ signal }) => data(api.GET("/api/projects/{project_slug}/{env_slug}/variables/", { params: { path: { project_slug: project, env_slug: env } }, signal })),
  });
}
