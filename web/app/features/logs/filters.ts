/* What is asked for, as it stands in the address: a filtered view is a link. */

export const LEVELS = ["ERROR", "WARN", "INFO", "DEBUG"] as const;
export type Level = (typeof LEVELS)[number];
export const RANGES = ["live", "1h", "6h", "24h", "7d", "14d", "custom"] as const;
export type Range = (typeof RANGES)[number];

export interface Filters {
  text: string;
  levels: readonly Level[];
  stream: "" | "stdout" | "stderr";
  range: Range;
  after: string; // of range "custom": local time as a datetime-local field has it
  before: string;
}

const MS: Record<Exclude<Range, "live" | "custom">, number> = { "1h": 3_600_000, "6h": 21_600_000, "24h": 86_400_000, "7d": 604_800_000, "14d": 1_209_600_000 };

function oneOf<T extends string>(list: readonly T[], value: string | null, fallback: T): T {
  return list.find((x) => x === value) ?? fallback;
}

export function readFilters(p: URLSearchParams): Filters {
  return {
    text: p.get("q") ?? "",
    levels: LEVELS.filter((l) => p.getAll("level").includes(l)),
    stream: oneOf(["", "stdout", "stderr"] as const, p.get("stream"), ""),
    range: oneOf(RANGES, p.get("range"), "live"),
    after: p.get("after") ?? "",
    before: p.get("before") ?? "",
  };
}

export function writeFilters(p: URLSearchParams, f: Filters): URLSearchParams {
  const next = new URLSearchParams(p);
  for (const name of ["q", "level", "stream", "range", "after", "before", "line", "at"]) next.delete(name);
  if (f.text) next.set("q", f.text);
  for (const l of f.levels) next.append("level", l);
  if (f.stream) next.set("stream", f.stream);
  if (f.range !== "live") next.set("range", f.range);
  if (f.range === "custom" && f.after) next.set("after", f.after);
  if (f.range === "custom" && f.before) next.set("before", f.before);
  return next;
}

export function isFiltered(f: Filters): boolean {
  return f.text !== "" || f.levels.length > 0 || f.stream !== "" || f.range !== "live";
}

function iso(local: string): string | undefined {
  const at = new Date(local);
  return local && !Number.isNaN(at.getTime()) ? at.toISOString() : undefined;
}

export interface LogQuery {
  query?: string;
  level?: Level[];
  stream?: "stdout" | "stderr";
  time_after?: string;
  time_before?: string;
}

/** The filters as the API has them. */
export function toQuery(f: Filters, now: number): LogQuery {
  const q: LogQuery = {};
  if (f.text) q.query = f.text;
  if (f.levels.length) q.level = [...f.levels];
  if (f.stream) q.stream = f.stream;
  if (f.range === "custom") {
    const after = iso(f.after);
    const before = iso(f.before);
    if (after) q.time_after = after;
    if (before) q.time_before = before;
  } else if (f.range !== "live") q.time_after = new Date(now - MS[f.range]).toISOString();
  return q;
}
