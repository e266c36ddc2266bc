/* A view's lines: the newest page, older ones on demand, new ones live. */
import { useCallback, useEffect, useMemo, useRef, useState } from "react";
import { type Filters, toQuery } from "./filters";
import { fetchPage, type LogSource, sourceKey, tailUrl } from "./source";
import { LogStore } from "./store";
import { tail, type TailState } from "./tail";

export interface Log {
  store: LogStore;
  state: "loading" | "ready" | "failed";
  error: Error | null;
  tail: TailState | "off";
  older: "more" | "loading" | "none" | "failed";
  fetchOlder: () => void;
  refresh: () => void;
}

/** live: whether new lines may come (a finished build has none). */
export function useLog(source: LogSource, filters: Filters, live: boolean): Log {
  const key = `${sourceKey(source)} ${JSON.stringify(filters)}`;
  const [generation, setGeneration] = useState(0);
  // One store for what is asked for: another question begins with an empty one.
  // eslint-disable-next-line react-hooks/exhaustive-deps -- key and generation stand for it
  const store = useMemo(() => new LogStore(), [key, generation]);
  const [state, setState] = useState<Log["state"]>("loading");
  const [error, setError] = useState<Error | null>(null);
  const [tailState, setTailState] = useState<TailState | "off">("off");
  const [older, setOlder] = useState<Log["older"]>("more");
  const cursor = useRef<string | null>(null);
  const wantsTail = live && filters.range !== "custom";

  useEffect(() => {
    const abort = new AbortController();
    const query = toQuery(filters, Date.now());
    // The newest page once more when the stream begins: nothing falls between the two, what comes twice is passed over.
    const onState = (s: TailState) => {
      setTailState(s);
      if (s === "live") fetchPage(source, { ...query, order: "desc" }, abort.signal).then((page) => store.append(page.lines.toReversed()), () => undefined);
    };
    const end = wantsTail ? tail(tailUrl(source, query), { onLines: (lines) => store.append(lines), onState }) : null;

    if (!end) setTailState("off");
    setState("loading");
    setOlder("more");
    fetchPage(source, { ...query, order: "desc" }, abort.signal).then(
      (page) => {
        store.append(page.lines.toReversed());
        cursor.current = page.next;
        setOlder(page.next ? "more" : "none");
        setState("ready");
      },
      (e: unknown) => {
        if (abort.signal.aborted) return;
        setError(e instanceof Error ? e : new Error(String(e)));
        setState("failed");
      },
    );
    return () => {
      abort.abort();
      end?.();
    };
    // eslint-disable-next-line react-hooks/exhaustive-deps -- key stands for source and filters
  }, [key, generation, store, wantsTail]);

  const fetchOlder = useCallback(() => {
    const at = cursor.current;
    if (!at || older !== "more") return;
    setOlder("loading");
    fetchPage(source, { ...toQuery(filters, Date.now()), order: "desc", cursor: at }).then(
      (page) => {
        store.prepend(page.lines.toReversed());
        cursor.current = page.next;
        setOlder(page.next ? "more" : "none");
      },
      () => setOlder("failed"),
    );
    // eslint-disable-next-line react-hooks/exhaustive-deps -- key stands for source and filters
  }, [key, older, store]);

  const refresh = useCallback(() => setGeneration((g) => g + 1), []);
  return { store, state, error, tail: tailState, older, fetchOlder, refresh };
}
