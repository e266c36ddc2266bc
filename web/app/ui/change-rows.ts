/* A change of a service as rows of what was and what will be. */
import type { ServiceChange } from "~/api/types";
import { change as t } from "~/text/change";

export interface ChangeRow {
  name: string;
  before: string | null; // null: nothing
  after: string | null;
  secret: boolean;
}

type Members = Record<string, unknown>;

const hidden = new Set(["id", "version", "volume"]);

function isMembers(v: unknown): v is Members {
  return typeof v === "object" && v !== null && !Array.isArray(v);
}

function membersOf(v: unknown, field: ServiceChange["field"]): Members {
  if (isMembers(v)) return v;
  return v === null || v === undefined ? {} : { [field]: v };
}

function show(v: unknown): string | null {
  if (v === null || v === undefined || v === "") return null;
  if (typeof v === "string") return v;
  if (typeof v === "number" || typeof v === "boolean") return String(v);
  if (isMembers(v)) {
    if (typeof v.value === "number" && typeof v.unit === "string") return `${v.value} ${v.unit.toLowerCase()}`;
    if (typeof v.slug === "string") return v.slug;
    if (typeof v.url === "string") return `${v.url}${v.permanent === true ? " (308)" : " (307)"}`;
  }
  return JSON.stringify(v);
}

/** What the changed item is called, where it has a name of its own. */
export function itemName(c: ServiceChange): string | null {
  const v = membersOf(c.new_value ?? c.old_value, c.field);
  for (const name of ["key", "domain", "name", "container_path", "mount_path", "host"]) {
    const text = show(v[name]);
    if (text) return text;
  }
  return null;
}

/** Only the members that differ; all that there are of what is added or removed. */
export function changeRows(c: ServiceChange): ChangeRow[] {
  const before = c.type === "ADD" ? {} : membersOf(c.old_value, c.field);
  const after = c.type === "DELETE" ? {} : membersOf(c.new_value, c.field);
  const names = [...new Set([...Object.keys(before), ...Object.keys(after)])].filter((n) => !hidden.has(n));

  return names
    .map((n) => ({ name: t.members[n] ?? n, before: show(before[n]), after: show(after[n]), secret: c.field === "env_variables" && n === "value" }))
    .filter((r) => r.before !== r.after);
}
