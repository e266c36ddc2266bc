/* Relative times that keep themselves right, with the absolute one as tooltip. */
import { useSyncExternalStore } from "react";
import { duration, relative } from "./units";

const watchers = new Set<() => void>();
let now = Date.now();
let timer: ReturnType<typeof setInterval> | null = null;

function subscribe(watcher: () => void): () => void {
  watchers.add(watcher);
  timer ??= setInterval(() => {
    now = Date.now();
    for (const w of watchers) w();
  }, 1000);
  return () => {
    watchers.delete(watcher);
    if (watchers.size === 0 && timer) {
      clearInterval(timer);
      timer = null;
    }
  };
}

export function useNow(): number {
  return useSyncExternalStore(subscribe, () => (timer ? now : (now = Math.max(now, Date.now() - (Date.now() % 1000)))));
}

const absolute = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium" });

export function Time({ value, className }: { value: string | number; className?: string }) {
  const at = new Date(value);
  return (
    <time dateTime={at.toISOString()} title={absolute.format(at)} className={className}>
      {relative(at.getTime(), useNow())}
    </time>
  );
}

/** How long something took, or takes until now. */
export function Elapsed({ from, to }: { from: string; to: string | null }) {
  const t = useNow();
  const start = new Date(from).getTime();
  return <span>{duration((to ? new Date(to).getTime() : Math.max(t, start)) - start)}</span>;
}
