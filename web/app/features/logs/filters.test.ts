import { expect, it } from "vitest";
import { isFiltered, readFilters, toQuery, writeFilters } from "./filters";

it("comes back from the address as it was written", () => {
  const f = { text: "a & b", levels: ["ERROR", "WARN"], stream: "stderr", range: "custom", after: "2026-01-02T03:04", before: "" } as const;
  expect(readFilters(writeFilters(new URLSearchParams("which=app&line=x"), f))).toEqual(f);
  expect(writeFilters(new URLSearchParams("which=app&line=x&at=y"), f).get("which")).toBe("app");
  expect(writeFilters(new URLSearchParams("line=x"), f).has("line")).toBe(false);
});

it("does not believe an address", () => {
  const f = readFilters(new URLSearchParams("level=LOUD&stream=stdnull&range=forever"));
  expect([f.levels, f.stream, f.range, isFiltered(f)]).toEqual([[], "", "live", false]);
});

it("asks the API for what is meant", () => {
  const now = Date.UTC(2026, 0, 2);
  expect(toQuery(readFilters(new URLSearchParams("q=x&level=WARN&range=24h")), now)).toEqual({ query: "x", level: ["WARN"], time_after: "2026-01-01T00:00:00.000Z" });
  expect(toQuery(readFilters(new URLSearchParams("range=custom&after=nonsense")), now)).toEqual({});
});
