import { describe, expect, it } from "vitest";
import { type Line, LogStore } from "./store";

function line(n: number): Line {
  const time = new Date(Date.UTC(2026, 0, 1) + n).toISOString();
  return { id: `l${n}`, time, level: "INFO", content: `line ${n}` };
}

function lines(from: number, to: number): Line[] {
  return Array.from({ length: to - from }, (_, i) => line(from + i));
}

function all(s: LogStore): string[] {
  return Array.from({ length: s.size }, (_, i) => s.at(i)?.id ?? "");
}

const now = (f: () => void) => f();

describe("LogStore", () => {
  it("keeps the order of time, whatever comes when", () => {
    const s = new LogStore(10, now);
    s.append([line(3), line(1)]);
    s.append([line(2)]);
    s.prepend([line(-1), line(0)]);
    expect(all(s)).toEqual(["l-1", "l0", "l1", "l2", "l3"]);
    expect(s.indexOf("l2")).toBe(3);
  });

  it("passes over what it has", () => {
    const s = new LogStore(10, now);
    expect(s.append(lines(0, 3))).toBe(3);
    expect(s.append(lines(1, 4))).toBe(1);
    expect(s.prepend(lines(0, 2))).toBe(0);
    expect(s.size).toBe(4);
  });

  it("lets the oldest go and says how many", () => {
    const s = new LogStore(100, now);
    for (let i = 0; i < 1000; i += 10) s.append(lines(i, i + 10));
    expect([s.size, s.dropped, s.at(0)?.id, s.last?.id]).toEqual([100, 900, "l900", "l999"]);
    expect(s.append([line(950)])).toBe(0);
  });

  it("tells once for what comes within a frame", () => {
    const frames: (() => void)[] = [];
    const s = new LogStore(10, (f) => frames.push(f));
    let told = 0;
    s.subscribe(() => (told += 1));
    s.append([line(1)]);
    s.append([line(2)]);
    expect([frames.length, told]).toEqual([1, 0]);
    frames[0]?.();
    expect([told, s.snapshot()]).toEqual([1, 1]);
  });

  it("takes as long for a batch when it is full as at the beginning", () => {
    const s = new LogStore(100_000, now);
    const time = (from: number, to: number) => {
      const batches = [];
      for (let i = from; i < to; i += 1000) batches.push(lines(i, i + 1000));
      const start = performance.now();
      for (const b of batches) s.append(b);
      return performance.now() - start;
    };
    time(0, 20_000); // the engine warms up
    const early = time(20_000, 60_000);
    time(60_000, 120_000);
    const late = time(120_000, 160_000);
    expect(s.size).toBe(100_000);
    expect(late / early).toBeLessThan(10); // a ratio: machines are noisy
  });
});
