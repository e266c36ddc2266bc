import { expect, it } from "vitest";
import { nextPath, paths } from "./paths";

it.each([
  ["?next=/project/shop/production", "/project/shop/production"],
  ["?next=%2Faccount%3Fa%3D1", "/account?a=1"],
  ["", "/"],
  ["?next=https://evil.example", "/"],
  ["?next=//evil.example", "/"],
  ["?next=/%5Cevil.example", "/"],
  ["?next=/login?next=/", "/"],
])("a login with %s leads to %s", (search, path) => expect(nextPath(search)).toBe(path));

it("encodes what is no plain name", () => {
  expect(paths.service({ project: "a b", env: "p/q", service: "s" }, "logs")).toBe("/project/a%20b/p%2Fq/service/s/logs");
});
