/* What the supervisor says of the platform, checked where it comes in. */

export interface Part {
  id: string;
  state: string;
  since: string | null;
  restarts: number;
  memory: number | null;
  cap: number | null;
  version: string;
  message: string;
  blockedBy: string[];
  flapping: boolean;
}

export interface Suggestion {
  id: string;
  text: string;
  command: string;
}

export interface Issue {
  id: string;
  component: string;
  severity: string;
  title: string;
  facts: [string, string][];
  suggestions: Suggestion[];
}

export interface Health {
  version: string;
  ready: boolean;
  stage: string;
  summary: string;
  parts: Part[];
  issues: Issue[];
}

type Members = Record<string, unknown>;

function members(v: unknown): Members {
  return typeof v === "object" && v !== null && !Array.isArray(v) ? (v as Members) : {};
}

function list(v: unknown): unknown[] {
  return Array.isArray(v) ? v : [];
}

function text(v: unknown): string {
  return typeof v === "string" ? v : typeof v === "number" || typeof v === "boolean" ? String(v) : "";
}

function number(v: unknown): number | null {
  return typeof v === "number" ? v : null;
}

export function partOf(v: unknown): Part {
  const c = members(v);
  return {
    id: text(c.id),
    state: text(c.state).toUpperCase(),
    since: text(c.since) || null,
    restarts: number(c.restarts) ?? 0,
    memory: number(c.memory_bytes),
    cap: number(c.memory_cap_bytes),
    version: text(c.version),
    message: text(members(c.health).message),
    blockedBy: list(c.blocked_by).map(text),
    flapping: c.flapping === true,
  };
}

function issueOf(v: unknown): Issue {
  const i = members(v);
  return {
    id: text(i.id),
    component: text(i.component),
    severity: text(i.severity),
    title: text(i.title),
    facts: Object.entries(members(i.facts)).map(([k, f]) => [k, Array.isArray(f) ? f.map(text).join("\n") : text(f)]),
    suggestions: list(i.suggestions).map((s) => ({ id: text(members(s).id), text: text(members(s).text), command: text(members(s).command) })),
  };
}

export function healthOf(v: unknown): Health {
  const h = members(v);
  return {
    version: text(h.version),
    ready: h.ready === true,
    stage: text(h.stage),
    summary: text(h.summary),
    parts: list(h.components).map(partOf),
    issues: list(h.issues).map(issueOf),
  };
}

export type HealthEvent = "component" | "platform" | "memory";

/** The state after an event of the supervisor's. */
export function withEvent(h: Health, event: HealthEvent, value: unknown): Health {
  const v = members(value);
  if (event === "memory") return { ...h, parts: h.parts.map((x) => (x.id === v.id ? { ...x, memory: number(v.memory_bytes) } : x)) };
  if (event === "platform") {
    const next = healthOf({ ...members(v.platform), components: [], issues: [] });
    const p = members(v.platform);
    return { ...h, ready: "ready" in p ? next.ready : h.ready, stage: next.stage || h.stage, summary: next.summary || h.summary, issues: "issues" in p ? list(p.issues).map(issueOf) : h.issues };
  }
  const part = partOf(v.component);
  return { ...h, parts: h.parts.map((x) => (x.id === part.id ? part : x)) };
}
