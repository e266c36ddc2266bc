import { expect, it } from "vitest";
import { healthOf, withEvent } from "./health";

const told = {
  version: "1",
  ready: true,
  stage: "RUNNING",
  summary: "all is well",
  components: [
    { id: "caddy", state: "READY", since: "2026-01-01T00:00:00Z", restarts: 2, memory_bytes: 10, memory_cap_bytes: 100, version: "2.11", health: { message: "fine" }, blocked_by: ["x"] },
    { id: "loki", state: "held" },
  ],
  issues: [{ id: "i", component: "loki", severity: "error", title: "ends", facts: { exit: 1, lines: ["a", "b"] }, suggestions: [{ id: "retry", text: "Start it", command: "zane retry loki" }] }],
};

it("reads what the supervisor says", () => {
  const h = healthOf(told);
  expect(h.parts[0]).toMatchObject({ id: "caddy", restarts: 2, memory: 10, cap: 100, message: "fine", blockedBy: ["x"] });
  expect(h.parts[1]).toMatchObject({ state: "HELD", since: null, memory: null });
  expect(h.issues[0]).toMatchObject({ facts: [["exit", "1"], ["lines", "a\nb"]], suggestions: [{ command: "zane retry loki" }] });
});

it("takes anything without falling over", () => expect(healthOf("nonsense")).toMatchObject({ ready: false, parts: [], issues: [] }));

it("goes on with events", () => {
  const h = withEvent(healthOf(told), "component", { seq: 3, component: { id: "loki", state: "READY" } });
  expect(h.parts.map((p) => p.state)).toEqual(["READY", "READY"]);
  expect(withEvent(h, "memory", { id: "caddy", memory_bytes: 20 }).parts.map((p) => p.memory)).toEqual([20, null]);
  const p = withEvent(h, "platform", { seq: 4, platform: { ready: false, stage: "STOPPING", issues: [] } });
  expect([p.ready, p.stage, p.summary, p.issues.length, p.parts.length]).toEqual([false, "STOPPING", "all is well", 0, 2]);
});
