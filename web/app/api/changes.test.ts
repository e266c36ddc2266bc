import { describe, expect, it } from "vitest";
import { touched } from "./changes";

describe("touched", () => {
  it("names a deployment's own place and the lists that show it", () => {
    const keys = touched({ kind: "deployment", project: "shop", environment: "production", service: "web", deployment: "dpl_1" });
    expect(keys).toContainEqual(["deployment", "shop", "production", "web", "dpl_1"]);
    expect(keys).toContainEqual(["deployments", "shop", "production", "web"]);
    expect(keys).toContainEqual(["services", "shop", "production"]);
    expect(keys).toContainEqual(["projects"]);
  });

  it("touches all of a kind where the place is not said", () => {
    expect(touched({ kind: "service" })).toContainEqual(["service"]);
    expect(touched({ kind: "variable", project: "shop" })).toEqual([["environment", "shop"], ["service", "shop"]]);
  });

  it("does not skip a part of the place that is missing", () => {
    expect(touched({ kind: "service", project: "shop", service: "web" })).toContainEqual(["service", "shop"]);
  });

  it("touches everything for a kind that it does not know", () => {
    expect(touched({ kind: "galaxy" })).toEqual([[]]);
  });
});
