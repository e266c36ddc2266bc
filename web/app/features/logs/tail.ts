/* Live lines by server-sent events; goes on from the last cursor after a break. */
import type { Line } from "./store";

export type TailState = "connecting" | "live" | "lost" | "gap" | "away";

export interface TailHandlers {
  onLines: (lines: Line[]) => void;
  onState: (state: TailState) => void;
}

const FIRST_RETRY_MS = 500;
const LAST_RETRY_MS = 15_000;
const QUIET_MS = 45_000;
const OPEN_MS = 10_000;
const TRIES_WITHOUT_ANSWER = 4; // then there is no such stream

function isLines(value: unknown): value is Line[] {
  return Array.isArray(value) && value.every((l) => typeof l === "object" && l !== null && "id" in l && "time" in l);
}

/** Returns what ends it. */
export function tail(url: string, handlers: TailHandlers): () => void {
  let source: EventSource | null = null;
  let timer: ReturnType<typeof setTimeout> | null = null;
  let quiet: ReturnType<typeof setTimeout> | null = null;
  let last = "";
  let retryMs = FIRST_RETRY_MS;
  let answered = false;
  let tries = 0;
  let ended = false;

  const heard = () => {
    answered = true;
    retryMs = FIRST_RETRY_MS;
    if (quiet) clearTimeout(quiet);
    quiet = setTimeout(lost, QUIET_MS);
  };
  function lost(): void {
    source?.close();
    if (quiet) clearTimeout(quiet);
    if (ended) return;
    tries += 1;
    if (!answered && tries >= TRIES_WITHOUT_ANSWER) {
      handlers.onState("away");
      return;
    }
    handlers.onState(answered ? "lost" : "connecting");
    timer = setTimeout(open, retryMs);
    retryMs = Math.min(LAST_RETRY_MS, retryMs * 2);
  }
  function open(): void {
    const at = new URL(url, window.location.origin);
    if (last) at.searchParams.set("since", last);
    source = new EventSource(at);
    quiet = setTimeout(lost, OPEN_MS);
    source.onopen = () => {
      heard();
      handlers.onState("live");
    };
    source.onerror = lost;
    source.addEventListener("lines", (e: MessageEvent<string>) => {
      heard();
      if (e.lastEventId) last = e.lastEventId;
      const lines: unknown = JSON.parse(e.data);
      if (isLines(lines)) handlers.onLines(lines);
    });
    source.addEventListener("gap", (e: MessageEvent<string>) => {
      heard();
      if (e.lastEventId) last = e.lastEventId;
      handlers.onState("gap");
    });
    source.addEventListener("ping", heard);
    source.addEventListener("hello", (e: MessageEvent<string>) => {
      heard();
      if (e.lastEventId) last = e.lastEventId;
    });
  }

  handlers.onState("connecting");
  open();
  return () => {
    ended = true;
    source?.close();
    if (timer) clearTimeout(timer);
    if (quiet) clearTimeout(quiet);
  };
}
