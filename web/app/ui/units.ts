/* Numbers as people read them. */
import { common } from "~/text/common";

const relativeFormat = new Intl.RelativeTimeFormat("en", { numeric: "always", style: "short" });
const steps: [Intl.RelativeTimeFormatUnit, number][] = [
  ["year", 365 * 86_400],
  ["month", 30 * 86_400],
  ["day", 86_400],
  ["hour", 3600],
  ["minute", 60],
  ["second", 1],
];

/** "3 min. ago", "in 2 hr."; at: milliseconds since 1970. */
export function relative(at: number, now: number): string {
  const s = Math.round((at - now) / 1000);
  if (Math.abs(s) < 3) return common.time.now;
  for (const [unit, size] of steps) if (Math.abs(s) >= size) return relativeFormat.format(Math.trunc(s / size), unit);
  return common.time.now;
}

/** "850 ms", "12 s", "3 min 5 s", "2 h 10 min", "3 d 4 h". */
export function duration(ms: number): string {
  const whole = Math.max(0, ms);
  if (whole < 950) return `${Math.round(whole / 10) * 10} ms`;
  const s = Math.round(whole / 1000);
  if (s < 60) return `${s} s`;
  if (s < 3600) return pair(Math.floor(s / 60), "min", s % 60, "s");
  if (s < 86_400) return pair(Math.floor(s / 3600), "h", Math.floor((s % 3600) / 60), "min");
  return pair(Math.floor(s / 86_400), "d", Math.floor((s % 86_400) / 3600), "h");
}

function pair(a: number, ua: string, b: number, ub: string): string {
  return b ? `${a} ${ua} ${b} ${ub}` : `${a} ${ua}`;
}

const sizes = ["B", "KiB", "MiB", "GiB", "TiB"];

/** Binary units: "512 MiB", "1.5 GiB". */
export function bytes(n: number): string {
  let v = n;
  let i = 0;
  while (v >= 1024 && i < sizes.length - 1) {
    v /= 1024;
    i += 1;
  }
  return `${v >= 100 || Number.isInteger(v) ? Math.round(v) : v.toFixed(1)} ${sizes[i] ?? ""}`;
}

const counts = new Intl.NumberFormat("en");

export function count(n: number): string {
  return counts.format(n);
}

/** "1 service", "3 services". */
export function plural(n: number, one: string, many = `${one}s`): string {
  return `${count(n)} ${n === 1 ? one : many}`;
}
