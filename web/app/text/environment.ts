export const environment = {
  tabs: "Environment",
  services: "Services",
  variables: "Variables",
  settings: "Settings",
  newService: "New service",
  empty: { title: "No service here yet", what: "A service runs one image: your app, a database, a cache.", first: "Add a service" },
  volumes: (n: number) => (n === 1 ? "1 volume" : `${n} volumes`),
  changed: "changed",
} as const;
