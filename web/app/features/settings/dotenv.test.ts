import { describe, expect, it } from "vitest";
import { compare, formatDotenv, looksLikeDotenv, parseDotenv } from "./dotenv";

function read(text: string): Record<string, string> {
  const p = parseDotenv(text);
  if (!p.ok) throw new Error(JSON.stringify(p.bad));
  return Object.fromEntries(p.variables.map((v) => [v.key, v.value]));
}

/* The cases are those of the API's own reader (tests/unit/domain/test_dotenv.c). */
describe("parseDotenv reads", () => {
  it.each([
    ["", {}],
    ["A=1", { A: "1" }],
    ["A=1\r\nB=2\r\n", { A: "1", B: "2" }],
    ["A=1\rB=2", { A: "1", B: "2" }],
    ["\ufeffA=1", { A: "1" }],
    ["  A = 1  \n", { A: "1" }],
    ["export A=1\nexport\tB=2", { A: "1", B: "2" }],
    ["export=1", { export: "1" }],
    ["exported=1", { exported: "1" }],
    ["# c\n\n  # d\nA=1 # e\n", { A: "1" }],
    ["A=a#b", { A: "a#b" }],
    ["A=#b", { A: "" }],
    ["A=\nB=", { A: "", B: "" }],
    ["A=x=y", { A: "x=y" }],
    ["A='x # $B \\n'", { A: "x # $B \\n" }],
    ['A="x # y" # z', { A: "x # y" }],
    ['A="a\\nb\\t\\"c\\" \\\\ \\$x \\d"', { A: 'a\nb\t"c" \\ $x \\d' }],
    ['A="a\nb"\nB=2', { A: "a\nb", B: "2" }],
    ['A="a\r\nb"\r\nB=2', { A: "a\nb", B: "2" }],
    ["A='a\nb'", { A: "a\nb" }],
    ["A=it's", { A: "it's" }],
    ["A=1\nA=2", { A: "2" }],
    ["A={{env.B}}", { A: "{{env.B}}" }],
  ])("%j", (text, want) => expect(read(text)).toEqual(want));
});

describe("parseDotenv refuses", () => {
  it.each([
    ["A", 1, "equals"],
    ["A=1\nB\nC=1", 2, "equals"],
    ["=x", 1, "key"],
    ["1A=x", 1, "key"],
    ["A B=x", 1, "key"],
    ['A="x', 1, "open"],
    ["A=1\nB='x\n\n", 2, "open"],
    ['A="x"y', 1, "behind"],
    ['A="\n\n\n"\nB', 5, "equals"],
    ["A=\u0001", 1, "control"],
    ["export A", 1, "equals"],
    ["A=1\r\n\r\nB", 3, "equals"],
    ["\u00c4=1", 1, "key"],
    [`${"K".repeat(256)}=1`, 1, "long-key"],
    [`A=${"x".repeat(65537)}`, 1, "long-value"],
  ])("%j", (text, line, why) => expect(parseDotenv(text)).toEqual({ ok: false, bad: [{ line, why }] }));

  it("names every bad line", () => {
    expect(parseDotenv("a\nb\nC=1\nd\n")).toMatchObject({ ok: false, bad: [{ line: 1 }, { line: 2 }, { line: 4 }] });
  });
});

describe("formatDotenv", () => {
  it.each(["", "plain", "with blanks inside", " at the ends ", "a#b", "#x", 'quo"te', "it's", "'x'", "two\nlines", "tab\tand\r", "C:\\dir", "$HOME", "\\n", "{{env.A}}", "x=y"])("of %j is read as the same", (value) => {
    expect(read(formatDotenv([{ key: "A", value }, { key: "B", value: "2" }]))).toEqual({ A: value, B: "2" });
  });
});

it("compare says what is added and changed, and what stays", () => {
  const have = [
    { key: "A", value: "1" },
    { key: "B", value: "2" },
    { key: "C", value: "3" },
  ];
  expect(compare(have, [{ key: "A", value: "1" }, { key: "B", value: "x" }, { key: "D", value: "" }])).toEqual({
    added: [{ key: "D", value: "" }],
    changed: [{ key: "B", value: "x", old: "2" }],
    same: ["A"],
    stay: ["C"],
  });
});

it("tells a pasted file from a key", () => {
  expect(looksLikeDotenv("API_KEY")).toBe(false);
  expect(looksLikeDotenv("API_KEY\n")).toBe(false);
  expect(looksLikeDotenv("A=1")).toBe(true);
  expect(looksLikeDotenv("# file\nexport A=1")).toBe(true);
});
