/* Live lines and history in one view; every filter and an opened line are in the address. */
import { useCallback, useMemo, useState } from "react";
import { useSearchParams } from "react-router";
import { logs as t } from "~/text/logs";
import { Button } from "~/ui/button";
import { cx } from "~/ui/classes";
import { Empty, Failed, SkeletonRows } from "~/ui/states";
import { Context, type Place } from "./context";
import { Download } from "./download";
import { isFiltered, readFilters, writeFilters, type Filters } from "./filters";
import { LogList } from "./list";
import type { LogSource } from "./source";
import type { Line } from "./store";
import { Toolbar } from "./toolbar";
import { type Log, useLog } from "./use-log";

function useAddress(): { filters: Filters; setFilters: (f: Filters) => void; place: Place | null; setPlace: (p: Place | null) => void } {
  const [params, setParams] = useSearchParams();
  const text = params.toString();
  const filters = useMemo(() => readFilters(new URLSearchParams(text)), [text]);
  const setFilters = useCallback((f: Filters) => setParams((p) => writeFilters(p, f), { replace: true }), [setParams]);
  const setPlace = useCallback(
    (place: Place | null) =>
      setParams((p) => {
        const next = new URLSearchParams(p);
        next.delete("line");
        next.delete("at");
        if (place) {
          next.set("line", place.id);
          next.set("at", place.time);
        }
        return next;
      }),
    [setParams],
  );
  const id = params.get("line");
  const at = params.get("at");
  return { filters, setFilters, place: id && at ? { id, time: at } : null, setPlace };
}

/** live: whether new lines may come; name: of a downloaded file. */
export function LogView({ source, live = true, name }: { source: LogSource; live?: boolean; name: string }) {
  const { filters, setFilters, place, setPlace } = useAddress();
  const [wrap, setWrap] = useState(true);
  const [download, setDownload] = useState(false);
  const log = useLog(source, filters, live);
  const onOpen = useCallback((line: Line) => setPlace({ id: line.id, time: line.time }), [setPlace]);

  return (
    <div className="grid gap-2">
      <Toolbar filters={filters} onFilters={setFilters} wrap={wrap} onWrap={setWrap} onDownload={() => setDownload(true)} state={<TailWord log={log} />} />
      <Lines log={log} wrap={wrap} marked={place?.id ?? null} filtered={isFiltered(filters)} begin={filters.range === "live" ? t.begin : t.beginOfRange} onOpen={onOpen} />
      {place && <Context source={source} place={place} onClose={() => setPlace(null)} />}
      {download && <Download source={source} filters={filters} name={name} onClose={() => setDownload(false)} />}
    </div>
  );
}

function Lines({ log, wrap, marked, filtered, begin, onOpen }: { log: Log; wrap: boolean; marked: string | null; filtered: boolean; begin: string; onOpen: (line: Line) => void }) {
  if (log.state === "failed" && log.store.size === 0 && log.error) return <Failed error={log.error} onRetry={log.refresh} />;
  if (log.state === "loading" && log.store.size === 0) return <SkeletonRows rows={12} className="h-5 w-full" />;
  return (
    <>
      <NoLine log={log} filtered={filtered} />
      <LogList log={log} wrap={wrap} marked={marked} begin={begin} onOpen={onOpen} className="h-[calc(100dvh-21rem)] min-h-80" />
    </>
  );
}

function NoLine({ log, filtered }: { log: Log; filtered: boolean }) {
  if (log.store.size > 0) return null;
  const text = filtered ? t.none : t.empty;
  return <Empty title={text.title}>{text.what}</Empty>;
}

function TailWord({ log }: { log: Log }) {
  const word = { off: t.tail.off, connecting: t.tail.connecting, live: t.tail.live, lost: t.tail.lost, gap: t.tail.gap, away: t.tail.away }[log.tail];
  return (
    <span role="status" className="flex flex-wrap items-center gap-2">
      <span aria-hidden="true" className={cx("size-2 rounded-full", log.tail === "live" ? "bg-ok" : log.tail === "lost" || log.tail === "gap" ? "bg-warn" : "border border-line-strong")} />
      {word}
      {(log.tail === "away" || log.tail === "off") && (
        <Button tone="quiet" icon="refresh" className="min-h-6" onClick={log.refresh}>
          {t.tail.refresh}
        </Button>
      )}
    </span>
  );
}
