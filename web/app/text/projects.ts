export const projects = {
  title: "Projects",
  new: "New project",
  filter: "Filter by name",
  empty: { title: "No project yet", what: "A project holds the services of one product, in environments such as production and staging.", first: "Deploy a first app" },
  noneMatch: (text: string) => `No project's name contains “${text}”.`,
  services: (healthy: number, total: number) => (total ? `${healthy} of ${total} healthy` : "no services"),
  environments: "Environments",
  recent: "Latest deployments",
  recentEmpty: "Nothing was deployed yet.",
  updated: "changed",
  settings: "Project settings",
} as const;
