import { describe, expect, it } from "vitest";
import { ranked, score } from "./match";

describe("score", () => {
  it("is nothing for letters that are not there in order", () => {
    expect(score("bew", "web")).toBe(0);
    expect(score("x", "web")).toBe(0);
  });
  it("takes everything for nothing typed", () => expect(score(" ", "web")).toBeGreaterThan(0));
  it("prefers the beginning, then a word, then the middle, then scattered letters", () => {
    const points = ["shop", "my shop", "workshop", "s-h-o-p"].map((t) => score("shop", t));
    expect([...points].sort((a, b) => b - a)).toEqual(points);
    expect(points.at(-1)).toBeGreaterThan(0);
  });
  it("does not care for case or blanks", () => expect(score("NEW  pro", "New project")).toBeGreaterThan(0));
});

it("ranks and keeps the order of equals", () => {
  expect(ranked("web", ["cobweb", "web", "webshop", "db"], (x) => x)).toEqual(["web", "webshop", "cobweb"]);
  expect(ranked("", ["b", "a"], (x) => x)).toEqual(["b", "a"]);
});
