/* What a domain needs in the DNS, as far as it follows from its name: this page cannot ask the DNS. */
export type DnsNeed =
  | { kind: "local" } // leads to the machine that one sits at
  | { kind: "below"; root: string } // the platform's own domain leads here
  | { kind: "own"; name: string; host: string; apex: boolean; target: string; targetIsAddress: boolean }; // host: what can be asked for

/** root, app: the platform's own domains; app may have a port or be an address. */
export function dnsNeed(domain: string, root: string, app: string): DnsNeed {
  if (domain === "localhost" || domain.endsWith(".localhost")) return { kind: "local" };
  if (domain.endsWith(`.${root}`)) return { kind: "below", root };
  const name = domain.toLowerCase();
  const target = app.replace(/:\d+$/, "");
  return {
    kind: "own",
    name,
    host: name.startsWith("*.") ? name.replace("*", "any") : name,
    apex: name.split(".").length === 2,
    target,
    targetIsAddress: /^[\d.]+$|:/.test(target),
  };
}
