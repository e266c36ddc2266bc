/* Live truth: one stream of the server's events for a page. What changed is fetched anew; when the stream
 * is lost the page says so, tries again, and goes on from the last event that it saw. */
import { useSyncExternalStore } from "react";
import { type Change, touched } from "./changes";
import { queryClient } from "./query";

export type LiveState = { kind: "off" } | { kind: "connecting" } | { kind: "live" } | { kind: "lost"; since: number };

type Listener = (data: unknown) => void;

const FIRST_RETRY_MS = 500;
const LAST_RETRY_MS = 15_000;
const QUIET_MS = 45_000; // the server says something every 15 s
const OPEN_MS = 10_000;
const FOLD_MS = 60;

class Live {
  private state: LiveState = { kind: "off" };
  private readonly watchers = new Set<() => void>();
  private readonly listeners = new Map<string, Set<Listener>>();
  private source: EventSource | null = null;
  private timer: ReturnType<typeof setTimeout> | null = null;
  private quiet: ReturnType<typeof setTimeout> | null = null;
  private fold: ReturnType<typeof setTimeout> | null = null;
  private pending: Change[] = [];
  private last = "";
  private retryMs = FIRST_RETRY_MS;
  private path = "";
  private of = "";
  private broke = false;
  private since = 0; // when the stream was last there

  /** of: whose events these are; another one begins anew. */
  start(path: string, of: string): void {
    if (this.path === path && this.of === of) return;
    this.stop();
    this.path = path;
    this.of = of;
    this.last = "";
    this.since = Date.now();
    this.set({ kind: "connecting" });
    this.open();
  }

  stop(): void {
    this.path = "";
    this.close();
    if (this.timer) clearTimeout(this.timer);
    this.timer = null;
    this.set({ kind: "off" });
  }

  /** Now instead of at the next try. */
  retry = (): void => {
    if (!this.path || this.state.kind === "live") return;
    if (this.timer) clearTimeout(this.timer);
    this.timer = null;
    this.close();
    this.open();
  };

  on(event: string, listener: Listener): () => void {
    const set = this.listeners.get(event) ?? new Set();
    set.add(listener);
    this.listeners.set(event, set);
    this.source?.addEventListener(event, this.deliver);
    return () => set.delete(listener);
  }

  subscribe = (watcher: () => void): (() => void) => {
    this.watchers.add(watcher);
    return () => this.watchers.delete(watcher);
  };

  snapshot = (): LiveState => this.state;

  private set(state: LiveState): void {
    this.state = state;
    for (const w of this.watchers) w();
  }

  private open(): void {
    const url = new URL(this.path, window.location.origin);
    if (this.last) url.searchParams.set("since", this.last);
    const source = new EventSource(url);
    this.source = source;
    source.onopen = () => this.heard();
    source.onerror = () => this.lost();
    for (const event of ["hello", "reset", "change", "ping", ...this.listeners.keys()]) source.addEventListener(event, this.deliver);
    this.awake(OPEN_MS);
  }

  private close(): void {
    this.source?.close();
    this.source = null;
    if (this.quiet) clearTimeout(this.quiet);
    this.quiet = null;
  }

  /* A connection can die without a word, for instance while a laptop sleeps. */
  private awake(ms = QUIET_MS): void {
    if (this.quiet) clearTimeout(this.quiet);
    this.quiet = setTimeout(() => this.lost(), ms);
  }

  private heard(): void {
    this.awake();
    this.retryMs = FIRST_RETRY_MS;
    if (this.state.kind === "live") return;
    this.set({ kind: "live" });
    /* A connection that never had an event to go on from may have missed some. */
    if (this.broke && !this.last) void queryClient.invalidateQueries();
    this.broke = false;
  }

  private lost(): void {
    this.close();
    this.broke = true;
    if (!this.path) return;
    /* The server ends streams now and then; a first break is worth no word, one that lasts is. */
    if (this.state.kind === "live") {
      this.since = Date.now();
      this.set({ kind: "connecting" });
    } else if (this.state.kind === "connecting") {
      this.set({ kind: "lost", since: this.since });
    }
    if (this.timer) clearTimeout(this.timer);
    this.timer = setTimeout(() => {
      this.timer = null;
      this.open();
    }, this.retryMs * (0.75 + Math.random() / 2));
    this.retryMs = Math.min(LAST_RETRY_MS, this.retryMs * 2);
  }

  private readonly deliver = (event: MessageEvent<string>): void => {
    this.heard();
    if (event.lastEventId) this.last = event.lastEventId;
    const value: unknown = parse(event.data);
    if (event.type === "reset") void queryClient.invalidateQueries();
    if (event.type === "change" && isChange(value)) this.note(value);
    for (const l of this.listeners.get(event.type) ?? []) l(value);
  };

  /* A deployment's steps come in quick succession: what they touch is fetched once. */
  private note(change: Change): void {
    this.pending.push(change);
    this.fold ??= setTimeout(() => {
      const seen = new Map(this.pending.flatMap(touched).map((k) => [JSON.stringify(k), k]));
      this.pending = [];
      this.fold = null;
      for (const queryKey of seen.values()) void queryClient.invalidateQueries({ queryKey });
    }, FOLD_MS);
  }
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return null;
  }
}

function isChange(value: unknown): value is Change {
  return typeof value === "object" && value !== null && "kind" in value && typeof value.kind === "string";
}

/** Of the workspace, for every page. */
export const live = new Live();
/** Of the platform's own parts, while a system page is open. */
export const systemLive = new Live();

export function useLive(): LiveState {
  return useSyncExternalStore(live.subscribe, live.snapshot);
}
