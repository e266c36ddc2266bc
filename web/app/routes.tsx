/* Every page, each fetched when it is first opened. */
import { createBrowserRouter, Outlet, type RouteObject } from "react-router";
import { RouteError } from "./features/shell/route-error";
import { NotFound } from "./features/shell/not-found";
import { Waiting } from "./features/shell/waiting";

type Page = () => Promise<{ default: React.ComponentType }>;

function at(path: string, page: Page, children?: RouteObject[]): RouteObject {
  return { path, lazy: async () => ({ Component: (await page()).default }), ...(children ? { children } : {}) };
}

function index(page: Page): RouteObject {
  return { index: true, lazy: async () => ({ Component: (await page()).default }) };
}

const service = at("service/:service", () => import("./routes/service"), [
  index(() => import("./routes/service-overview")),
  at("deployments", () => import("./routes/service-deployments")),
  at("settings", () => import("./routes/service-settings")),
  at("variables", () => import("./routes/service-variables")),
  at("domains", () => import("./routes/service-domains")),
  at("logs", () => import("./routes/service-logs")),
  at("requests", () => import("./routes/service-requests")),
  at("metrics", () => import("./routes/service-metrics")),
]);

const inside: RouteObject[] = [
  index(() => import("./routes/projects")),
  at("welcome", () => import("./routes/welcome")),
  at("new-project", () => import("./routes/new-project")),
  at("project-settings/:project", () => import("./routes/project-settings")),
  at("project/:project", () => import("./routes/project-redirect")),
  at("project/:project/:env", () => import("./routes/environment"), [
    index(() => import("./routes/environment-services")),
    at("variables", () => import("./routes/environment-variables")),
    at("settings", () => import("./routes/environment-settings")),
    at("new-service", () => import("./routes/new-service")),
    service,
    at("service/:service/deployments/:hash", () => import("./routes/deployment"), [
      index(() => import("./routes/deployment-progress")),
      at("changes", () => import("./routes/deployment-changes")),
      at("logs", () => import("./routes/deployment-logs")),
    ]),
  ]),
  at("workspace", () => import("./routes/workspace"), [
    index(() => import("./routes/workspace-members")),
    at("invitations", () => import("./routes/workspace-invitations")),
    at("registries", () => import("./routes/workspace-registries")),
    at("audit", () => import("./routes/workspace-audit")),
    at("settings", () => import("./routes/workspace-settings")),
  ]),
  at("account", () => import("./routes/account"), [
    index(() => import("./routes/account-profile")),
    at("security", () => import("./routes/account-security")),
    at("tokens", () => import("./routes/account-tokens")),
    at("sessions", () => import("./routes/account-sessions")),
  ]),
  at("system", () => import("./routes/system"), [
    index(() => import("./routes/system-health")),
    at("upgrade", () => import("./routes/system-upgrade")),
    at("backups", () => import("./routes/system-backups")),
    at("disk", () => import("./routes/system-disk")),
    at("users", () => import("./routes/system-users")),
    at("workspaces", () => import("./routes/system-workspaces")),
    at("about", () => import("./routes/system-about")),
  ]),
  { path: "*", Component: NotFound },
];

export const router = createBrowserRouter([
  {
    element: <Outlet />,
    errorElement: <RouteError />,
    hydrateFallbackElement: <Waiting />,
    children: [
      at("login", () => import("./routes/login")),
      at("setup", () => import("./routes/setup")),
      at("invitation/:token", () => import("./routes/invitation")),
      at("reset-password/:token", () => import("./routes/reset-password")),
      { lazy: async () => ({ Component: (await import("./features/shell/shell")).Shell }), children: [{ errorElement: <RouteError />, children: inside }] },
    ],
  },
]);
