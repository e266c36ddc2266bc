/* A service and its first deployment in one call, where that can say all of it; else step by step. */
import { api, data } from "~/api/client";
import { type ServicePath, keys } from "~/api/keys";
import { queryClient } from "~/api/query";
import { servicePath } from "~/api/service";
import { parseDotenv } from "~/features/settings/dotenv";

export interface NewService {
  image: string;
  name: string;
  credentials: string; // "" = none
  port: string;
  domain: string;
  env: string;
}

/** Names of the form's fields as the API's errors have them. */
export const FIELDS = ["image", "slug", "service", "container_registry_credentials_id", "port", "domain", "env"] as const;

function made(p: { project: string; env: string }): void {
  void queryClient.invalidateQueries({ queryKey: keys.services(p.project, p.env) });
  void queryClient.invalidateQueries({ queryKey: keys.projects() });
}

/** Makes it; deploy: its deployment's hash comes back. */
export async function createService(at: { project: string; env: string }, s: NewService, deploy: boolean): Promise<{ path: ServicePath; hash: string | null }> {
  const created = await data(
    api.POST("/api/projects/{project_slug}/{env_slug}/create-service/docker/", {
      params: { path: { project_slug: at.project, env_slug: at.env } },
      body: { image: s.image, ...(s.name ? { slug: s.name } : {}), ...(s.credentials ? { container_registry_credentials_id: s.credentials } : {}) },
    }),
  );
  const path = { ...at, service: created.slug };
  made(at);
  await askForMore(path, s);
  if (!deploy) return { path, hash: null };
  const d = await data(api.PUT("/api/projects/{project_slug}/{env_slug}/deploy-service/docker/{service_slug}/", { params: { path: servicePath(path) }, body: {} }));
  return { path, hash: d.hash };
}

async function askForMore(path: ServicePath, s: NewService): Promise<void> {
  const params = { path: servicePath(path) };
  if (s.port)
    await data(
      api.PUT("/api/projects/{project_slug}/{env_slug}/request-service-changes/{service_slug}/", {
        params,
        body: { field: "urls", type: "ADD", new_value: { associated_port: Number(s.port), ...(s.domain ? { domain: s.domain } : {}) } },
      }),
    );
  const env = parseDotenv(s.env);
  if (!env.ok || env.variables.length) await data(api.PUT("/api/projects/{project_slug}/{env_slug}/request-env-changes/{service_slug}/", { params, body: { new_value: s.env } }));
}
