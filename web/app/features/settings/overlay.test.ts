import { describe, expect, it } from "vitest";
import type { Service, ServiceChange } from "~/api/types";
import { items, knownPorts, single } from "./overlay";

const none: Partial<Service> = { image: "app:1", container_registry_credentials: null, command: null, healthcheck: null, resource_limits: null, urls: [], ports: [], volumes: [], shared_volumes: [], env_variables: [], configs: [], unapplied_changes: [] };

function service(with_: Partial<Service>): Service {
  return { ...none, ...with_ } as Service;
}

function change(with_: Partial<ServiceChange>): ServiceChange {
  return { id: "chg", type: "UPDATE", field: "env_variables", item_id: null, old_value: null, new_value: null, ...with_ };
}

describe("items", () => {
  const a = { id: "env_a", key: "A", value: "1" };
  const b = { id: "env_b", key: "B", value: "2" };
  const c = { id: "env_c", key: "C", value: "3" };

  it("lays the waiting changes over what is deployed", () => {
    const s = service({
      env_variables: [a, b, c],
      unapplied_changes: [
        change({ id: "u", item_id: "env_b", new_value: { key: "B", value: "new" } }),
        change({ id: "d", type: "DELETE", item_id: "env_c" }),
        change({ id: "n", type: "ADD", new_value: { key: "D", value: "4" } }),
        change({ id: "x", type: "ADD", field: "ports", new_value: { host: 8080, forwarded: 80 } }),
      ],
    });
    expect(items(s, "env_variables").map((i) => [i.key, i.state, i.value.value, i.old?.value ?? null, i.change?.id ?? null])).toEqual([
      ["env_a", "live", "1", null, null],
      ["env_b", "changed", "new", "2", "u"],
      ["env_c", "removed", "3", "3", "d"],
      ["n", "added", "4", null, "n"],
    ]);
  });
});

describe("single", () => {
  it("is what is deployed where nothing waits", () => {
    expect(single(service({ command: "run" }), "command")).toEqual({ value: "run", old: "run", change: null });
  });

  it("is what waits, even if that is nothing", () => {
    const s = service({ command: "run", unapplied_changes: [change({ field: "command", new_value: null })] });
    expect(single(s, "command")).toMatchObject({ value: null, old: "run", change: { id: "chg" } });
  });

  it("takes the image and its login together", () => {
    const s = service({ image: null, unapplied_changes: [change({ field: "source", new_value: { image: "app:2" } })] });
    expect(single(s, "source")).toMatchObject({ value: { image: "app:2" }, old: null });
  });
});

it("knows every port that the service names, once", () => {
  const s = service({ ports: [{ id: "prt", host: 5000, forwarded: 3000 }], unapplied_changes: [change({ field: "urls", type: "ADD", new_value: { associated_port: 80 } })] });
  expect(knownPorts(s, [{ port_number: 80, protocol: "tcp" }, { port_number: 53, protocol: "udp" }])).toEqual([80, 3000]);
});
