import { describe, expect, it } from "vitest";
import type { Deployment, LogLine } from "~/api/types";
import { stepsOf } from "./steps";

function line(at: number, text: string, level: LogLine["level"] = "INFO"): LogLine {
  return { id: `l${at}`, time: time(at), level, source: "SYSTEM", service_id: null, deployment_id: null, container_id: null, content: text, content_text: text };
}

function time(s: number): string {
  return new Date(Date.UTC(2026, 0, 1, 0, 0, s)).toISOString();
}

function deployment(d: Partial<Deployment>): Deployment {
  return { queued_at: time(0), finished_at: null, step: null, step_since: null, step_percent: null, ...d } as Deployment;
}

describe("stepsOf", () => {
  it("ends each step where the next begins, the last with the deployment", () => {
    const steps = stepsOf(deployment({ finished_at: time(9) }), [line(1, "a"), line(4, "b")]);
    expect(steps.map((s) => [s.text, s.from, s.to])).toEqual([
      ["a", time(1), time(4)],
      ["b", time(4), time(9)],
    ]);
  });
  it("leaves the last step of an open deployment running, with its percent", () => {
    const steps = stepsOf(deployment({ step: "pull", step_since: time(4), step_percent: 40 }), [line(1, "a"), line(4, "pulling")]);
    expect(steps.at(-1)).toMatchObject({ text: "pulling", to: null, percent: 40 });
  });
  it("shows a step whose line was not fetched yet", () => {
    const steps = stepsOf(deployment({ step: "health", step_since: time(9) }), [line(1, "a")]);
    expect(steps.map((s) => [s.text, s.to])).toEqual([
      ["a", time(9)],
      ["Waiting for the health check", null],
    ]);
  });
  it("marks what went wrong", () => expect(stepsOf(deployment({ finished_at: time(2) }), [line(1, "no such image", "ERROR")])[0]?.failed).toBe(true));
});
