/* Health as it is now: a first look, then the supervisor's events. */
import { useQuery } from "@tanstack/react-query";
import { useEffect, useState, useSyncExternalStore } from "react";
import { api, data } from "~/api/client";
import { keys } from "~/api/keys";
import { systemLive } from "~/api/live";
import { queryClient } from "~/api/query";
import { type Health, healthOf, withEvent } from "./health";

const KEY = keys.system("health");

function change(f: (h: Health) => Health): void {
  queryClient.setQueryData<Health>(KEY, (h) => (h ? f(h) : h));
}

export function useHealth() {
  const query = useQuery({ queryKey: KEY, queryFn: async ({ signal }) => healthOf(await data(api.GET("/api/system/health/", { signal }))) });
  const [away, setAway] = useState("");
  const live = useSyncExternalStore(systemLive.subscribe, systemLive.snapshot);

  useEffect(() => {
    const ends = [
      systemLive.on("snapshot", (v) => {
        setAway("");
        queryClient.setQueryData(KEY, healthOf(v));
      }),
      ...(["component", "platform", "memory"] as const).map((e) => systemLive.on(e, (v) => change((h) => withEvent(h, e, v)))),
      systemLive.on("away", (v) => setAway(typeof v === "object" && v !== null && "reason" in v && typeof v.reason === "string" ? v.reason : "")),
    ];
    systemLive.start("/api/system/events/", "system");
    return () => {
      systemLive.stop();
      for (const end of ends) end();
    };
  }, []);
  return { query, away, live };
}
