/* Variables as the text of an .env file, read as the API reads it (docs/api/services.md). */

export interface Variable {
  key: string;
  value: string;
}

export interface BadLine {
  line: number; // from 1
  why: "key" | "equals" | "open" | "behind" | "control" | "long-key" | "long-value";
}

export type Parsed = { ok: true; variables: Variable[] } | { ok: false; bad: BadLine[] };

export const MAX_KEY = 255;
export const MAX_VALUE = 65536;
const KEY = /^[A-Za-z_][A-Za-z0-9_]*$/;
 
const CONTROL = /[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f]/;
const ESCAPES: Record<string, string> = { n: "\n", r: "\r", t: "\t", '"': '"', "\\": "\\", $: "$" };

interface Reader {
  text: string; // with \n alone as the end of a line
  at: number;
  line: number;
  bad: BadLine[];
  into: Map<string, string>;
}

export function parseDotenv(source: string): Parsed {
  const text = source.replace(/^\ufeff/, "").replace(/\r\n?/g, "\n");
  const r: Reader = { text, at: 0, line: 1, bad: [], into: new Map() };
  while (r.at < text.length && entry(r));
  if (r.bad.length) return { ok: false, bad: r.bad };
  return { ok: true, variables: [...r.into].map(([key, value]) => ({ key, value })) };
}

function restOfLine(r: Reader): string {
  const end = r.text.indexOf("\n", r.at);
  return r.text.slice(r.at, end < 0 ? r.text.length : end);
}

function skipLine(r: Reader): void {
  r.at += restOfLine(r).length + 1;
  r.line += 1;
}

function skipBlanks(r: Reader): void {
  while (r.text[r.at] === " " || r.text[r.at] === "\t") r.at += 1;
}

/* One line, or several if a quoted value spans them. False: what follows cannot be told apart any more. */
function entry(r: Reader): boolean {
  skipBlanks(r);
  const line = r.line;
  const rest = restOfLine(r);
  if (rest === "" || rest.startsWith("#")) {
    skipLine(r);
    return true;
  }
  const named = /^(?:export[ \t]+)?([^=]*?)[ \t]*=/.exec(rest);
  if (!named) {
    r.bad.push({ line, why: "equals" });
    skipLine(r);
    return true;
  }
  r.at += named[0].length;
  const value = readValue(r, line);
  if (value !== null) store(r, line, named[1] ?? "", value);
  const more = value !== null || r.at < r.text.length;
  skipLine(r);
  return more;
}

function readValue(r: Reader, line: number): string | null {
  skipBlanks(r);
  const quote = r.text[r.at];
  if (quote !== '"' && quote !== "'") return plain(restOfLine(r));
  const value = quoted(r, quote);
  if (value === null) {
    r.bad.push({ line, why: "open" });
    return null;
  }
  skipBlanks(r);
  if (/^(?:#|$)/.test(restOfLine(r))) return value;
  r.bad.push({ line: r.line, why: "behind" });
  return null;
}

function plain(rest: string): string {
  const comment = /(?:^|[ \t])#/.exec(rest);
  return (comment ? rest.slice(0, comment.index) : rest).replace(/[ \t]+$/, "");
}

/* Null: the quote is not closed. */
function quoted(r: Reader, quote: string): string | null {
  let value = "";
  for (r.at += 1; r.at < r.text.length && r.text[r.at] !== quote; r.at += 1) {
    const c = r.text[r.at] ?? "";
    const escaped = quote === '"' && c === "\\" ? ESCAPES[r.text[r.at + 1] ?? ""] : undefined;
    if (c === "\n") r.line += 1;
    if (escaped !== undefined) r.at += 1;
    value += escaped ?? c;
  }
  if (r.at >= r.text.length) return null;
  r.at += 1;
  return value;
}

function store(r: Reader, line: number, key: string, value: string): void {
  const bytes = new TextEncoder().encode(value).length;
  if (!KEY.test(key)) r.bad.push({ line, why: "key" });
  else if (key.length > MAX_KEY) r.bad.push({ line, why: "long-key" });
  else if (bytes > MAX_VALUE) r.bad.push({ line, why: "long-value" });
  else if (CONTROL.test(value)) r.bad.push({ line, why: "control" });
  else r.into.set(key, value);
}

/** The text that is read as these variables. */
export function formatDotenv(variables: readonly Variable[]): string {
  return variables.map((v) => `${v.key}=${formatValue(v.value)}\n`).join("");
}

function formatValue(value: string): string {
  if (value === "" || /^[^\s"'#\\][^\n\r#]*$/.test(value) && !/[ \t]$/.test(value)) return value;
  const escaped = value.replace(/[\\"$]/g, "\\$&").replaceAll("\n", "\\n").replaceAll("\r", "\\r").replaceAll("\t", "\\t");
  return `"${escaped}"`;
}

export interface Difference {
  added: Variable[];
  changed: (Variable & { old: string })[];
  same: string[];
  stay: string[]; // keys that the text does not name
}

/** What taking over `next` would do to what is there. */
export function compare(have: readonly Variable[], next: readonly Variable[]): Difference {
  const old = new Map(have.map((v) => [v.key, v.value]));
  const named = new Set(next.map((v) => v.key));
  const ret: Difference = { added: [], changed: [], same: [], stay: have.filter((v) => !named.has(v.key)).map((v) => v.key) };
  for (const v of next) {
    const was = old.get(v.key);
    if (was === undefined) ret.added.push(v);
    else if (was === v.value) ret.same.push(v.key);
    else ret.changed.push({ ...v, old: was });
  }
  return ret;
}

/** Whether a text that was pasted into a key's field is more than a key. */
export function looksLikeDotenv(text: string): boolean {
  return /=/.test(text) || /\n\s*\S/.test(text.trim());
}
