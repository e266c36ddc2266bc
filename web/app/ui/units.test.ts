import { describe, expect, it } from "vitest";
import { bytes, duration, plural, relative } from "./units";

describe("relative", () => {
  it.each([
    [0, "just now"],
    [-2_000, "just now"],
    [-45_000, "45 sec. ago"],
    [-119_000, "1 min. ago"],
    [7_200_000, "in 2 hr."],
    [-86_400_000 * 40, "1 mo. ago"],
  ])("of %i ms is %s", (ms, text) => expect(relative(1e12 + ms, 1e12)).toBe(text));
});

describe("duration", () => {
  it.each([
    [0, "0 ms"],
    [846, "850 ms"],
    [951, "1 s"],
    [59_400, "59 s"],
    [60_000, "1 min"],
    [185_000, "3 min 5 s"],
    [7_800_000, "2 h 10 min"],
    [273_600_000, "3 d 4 h"],
    [-5, "0 ms"],
  ])("of %i is %s", (ms, text) => expect(duration(ms)).toBe(text));
});

describe("bytes", () => {
  it.each([
    [0, "0 B"],
    [1023, "1023 B"],
    [1536, "1.5 KiB"],
    [512 * 1024 * 1024, "512 MiB"],
    [1024 ** 4 * 3000, "3000 TiB"],
  ])("of %i is %s", (n, text) => expect(bytes(n)).toBe(text));
});

it("counts in words", () => {
  expect(plural(1, "service")).toBe("1 service");
  expect(plural(1200, "service")).toBe("1,200 services");
});
