import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { errorOf } from "./error";
import { Trial } from "./trial";

function refusal(code: string) {
  const body = { type: "server_error", errors: [{ code, detail: "An upgrade is being checked.", attr: null }] };
  return errorOf(new Response("", { status: 503, headers: { "Retry-After": "5" } }), body);
}

describe("trial", () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  it("is on from a refused change until one is accepted", () => {
    const trial = new Trial();
    const told = vi.fn();
    trial.subscribe(told);
    trial.heard(refusal("upgrading"));
    expect(trial.snapshot()).toBe(true);
    trial.heard(null);
    expect(trial.snapshot()).toBe(false);
    expect(told).toHaveBeenCalledTimes(2);
  });

  it("ends a minute after the last refusal", () => {
    const trial = new Trial();
    trial.heard(refusal("upgrading"));
    vi.advanceTimersByTime(50_000);
    trial.heard(refusal("upgrading"));
    vi.advanceTimersByTime(50_000);
    expect(trial.snapshot()).toBe(true);
    vi.advanceTimersByTime(10_000);
    expect(trial.snapshot()).toBe(false);
  });

  it("hears nothing of it in another error", () => {
    const trial = new Trial();
    trial.heard(refusal("unavailable"));
    expect(trial.snapshot()).toBe(false);
    trial.heard(refusal("upgrading"));
    trial.heard(refusal("unavailable"));
    expect(trial.snapshot()).toBe(true);
  });
});
