import { describe, expect, it } from "vitest";
import type { ServiceChange } from "~/api/types";
import { changeRows, itemName } from "./change-rows";

function change(c: Partial<ServiceChange>): ServiceChange {
  return { id: "chg", type: "UPDATE", field: "source", item_id: null, old_value: null, new_value: null, ...c };
}

describe("changeRows", () => {
  it("shows only what differs of an update", () => {
    const rows = changeRows(change({ field: "volumes", old_value: { id: "v1", name: "data", container_path: "/a" }, new_value: { name: "data", container_path: "/b" } }));
    expect(rows).toEqual([{ name: "Path in the container", before: "/a", after: "/b", secret: false }]);
  });
  it("takes single texts as well as objects", () => {
    expect(changeRows(change({ field: "command", old_value: null, new_value: "sleep 1" }))).toEqual([{ name: "Command", before: null, after: "sleep 1", secret: false }]);
  });
  it("shows all of what is added or removed", () => {
    expect(changeRows(change({ type: "ADD", field: "ports", new_value: { host: 8080, forwarded: 80 } })).map((r) => [r.before, r.after])).toEqual([
      [null, "8080"],
      [null, "80"],
    ]);
    expect(changeRows(change({ type: "DELETE", field: "urls", old_value: { domain: "a.b", base_path: "/" } })).map((r) => [r.before, r.after])).toEqual([
      ["a.b", null],
      ["/", null],
    ]);
  });
  it("knows which values are secrets", () => {
    expect(changeRows(change({ type: "ADD", field: "env_variables", new_value: { key: "K", value: "v" } })).map((r) => r.secret)).toEqual([false, true]);
  });
  it("writes sizes, redirects and credentials as people do", () => {
    const rows = changeRows(change({ field: "resource_limits", old_value: null, new_value: { cpus: 0.5, memory: { value: 256, unit: "MEGABYTES" } } }));
    expect(rows.map((r) => r.after)).toEqual(["0.5", "256 megabytes"]);
    expect(changeRows(change({ type: "ADD", field: "urls", new_value: { redirect_to: { url: "https://x", permanent: true } } }))[0]?.after).toBe("https://x (308)");
  });
});

it("names the item", () => {
  expect(itemName(change({ type: "ADD", field: "env_variables", new_value: { key: "K", value: "v" } }))).toBe("K");
  expect(itemName(change({ type: "DELETE", field: "urls", old_value: { domain: "a.b" } }))).toBe("a.b");
  expect(itemName(change({ field: "command", new_value: "x" }))).toBe(null);
});
