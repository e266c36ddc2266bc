import { describe, expect, it } from "vitest";
import { pieces } from "./ansi";

describe("pieces", () => {
  it("leaves text alone", () => expect(pieces("a [31m b")).toEqual([{ text: "a [31m b", className: "" }]));
  it("names colours and styles", () => {
    expect(pieces("\u001b[1;31mbad\u001b[0m fine")).toEqual([
      { text: "bad", className: "text-bad font-semibold" },
      { text: " fine", className: "" },
    ]);
  });
  it("ends a style alone", () => {
    expect(pieces("\u001b[1m\u001b[32ma\u001b[22mb\u001b[39mc").map((p) => p.className)).toEqual(["text-ok font-semibold", "text-ok", ""]);
  });
  it("passes over the numbers of extended colours", () => {
    expect(pieces("\u001b[38;5;31mx\u001b[38;2;1;2;31;4my")).toEqual([
      { text: "x", className: "" },
      { text: "y", className: "underline" },
    ]);
  });
  it("drops other sequences, whole or not", () => {
    expect(pieces("\u001b[2Ka\u001b]0;title\u0007b\u001bMc\u001b").map((p) => p.text)).toEqual(["a", "b", "c\u001b"]);
  });
  it("has nothing for nothing", () => expect(pieces("")).toEqual([]));
});
