import { expect, it } from "vitest";
import { onlyReference, references } from "./references";

it("finds each reference once", () => {
  expect(references("postgres://{{env.USER}}:{{env.PASS}}@db/{{env.USER}}")).toEqual(["USER", "PASS"]);
  expect(references("{{deployment.hash}} {{env.OPEN")).toEqual([]);
});

it("tells a bare reference from a value that has one", () => {
  expect(onlyReference("{{env.REGION}}")).toBe(true);
  expect(onlyReference("eu-{{env.REGION}}")).toBe(false);
  expect(onlyReference("secret")).toBe(false);
});
