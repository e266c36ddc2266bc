import { beforeEach, describe, expect, it, vi } from "vitest";
import { keys } from "~/api/keys";
import { queryClient } from "~/api/query";
import type { Service, ServiceChange, ServiceChangeRequest } from "~/api/types";
import { waitingNow, wish } from "./data";

/* The calls in their order; refuse: a call that is answered with an error. */
const calls: string[] = [];
let refuse = "";

function call(name: string): Promise<void> {
  calls.push(name);
  return name === refuse ? Promise.reject(new Error("refused")) : Promise.resolve();
}

vi.mock("~/api/client", () => ({
  api: {
    PUT: (_: string, { body }: { body: ServiceChangeRequest }) => call(`ask ${JSON.stringify(body.new_value ?? null)}`),
    DELETE: (_: string, { params }: { params: { path: { change_id: string } } }) => call(`cancel ${params.path.change_id}`),
  },
  data: (answer: Promise<void>) => answer,
}));
vi.mock("~/api/service", () => ({
  servicePath: () => ({}),
  refreshService: () => call("refresh"),
}));

const path = { project: "shop", env: "production", service: "web" };
const waits: ServiceChange = { id: "chg_1", field: "command", type: "UPDATE", item_id: null, old_value: null, new_value: "before" };
const wanted: ServiceChangeRequest = { field: "command", type: "UPDATE", new_value: "after" };

describe("wish", () => {
  beforeEach(() => {
    calls.length = 0;
    refuse = "";
    queryClient.setQueryData(keys.service(path), { unapplied_changes: [waits] });
  });

  it("cancels what waits of the same item, then asks", async () => {
    await wish(path, { body: wanted, instead: waits });
    expect(calls).toEqual(["cancel chg_1", 'ask "after"', "refresh"]);
  });

  it("only cancels to undo", async () => {
    await wish(path, { body: null, instead: waits });
    expect(calls).toEqual(["cancel chg_1", "refresh"]);
  });

  it("asks for the former change again if the new one is refused", async () => {
    refuse = 'ask "after"';
    await expect(wish(path, { body: wanted, instead: waits })).rejects.toThrow("refused");
    expect(calls).toEqual(["cancel chg_1", 'ask "after"', 'ask "before"', "refresh"]);
  });

  it("cancels nothing that is gone meanwhile", async () => {
    queryClient.setQueryData(keys.service(path), { unapplied_changes: [] as ServiceChange[] });
    await wish(path, { body: wanted, instead: waits });
    expect(calls).toEqual(['ask "after"', "refresh"]);
  });

  it("asks for nothing if the former one could not be cancelled", async () => {
    refuse = "cancel chg_1";
    await expect(wish(path, { body: wanted, instead: waits })).rejects.toThrow("refused");
    expect(calls).toEqual(["cancel chg_1", "refresh"]);
  });
});

it("finds a change that was asked for again by what it is", () => {
  const again = { ...waits, id: "chg_2" };
  expect(waitingNow({ unapplied_changes: [again] } as Service, waits)).toBe(again);
  expect(waitingNow({ unapplied_changes: [{ ...again, new_value: "other" }] } as Service, waits)).toBeNull();
  expect(waitingNow(undefined, waits)).toBeNull();
});
