import { expect, it } from "vitest";
import { dnsNeed } from "./domain-dns";

it.each([
  ["shop.zane.localhost", "zane.localhost", { kind: "local" }],
  ["shop-web-x.203.0.113.9.sslip.io", "203.0.113.9.sslip.io", { kind: "below", root: "203.0.113.9.sslip.io" }],
  ["badapps.test", "apps.test", { kind: "own", name: "badapps.test", host: "badapps.test", apex: true }],
  ["shop.example.com", "apps.test", { kind: "own", name: "shop.example.com", host: "shop.example.com", apex: false }],
  ["*.example.com", "apps.test", { kind: "own", name: "*.example.com", host: "any.example.com", apex: false }],
])("%s with the root domain %s", (domain, root, want) => expect(dnsNeed(domain, root, "dash.apps.test:8443")).toMatchObject(want));

it("names what the record leads to", () => {
  expect(dnsNeed("a.example.com", "apps.test", "dash.apps.test:8443")).toMatchObject({ target: "dash.apps.test", targetIsAddress: false });
  expect(dnsNeed("a.example.com", "apps.test", "203.0.113.9")).toMatchObject({ target: "203.0.113.9", targetIsAddress: true });
});
