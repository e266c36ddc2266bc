/* The lines themselves: only those in sight are drawn; follows the newest while one is at the end. */
import { useVirtualizer } from "@tanstack/react-virtual";
import { useEffect, useLayoutEffect, useRef, useState, useSyncExternalStore } from "react";
import { logs as t } from "~/text/logs";
import { Button } from "~/ui/button";
import { cx } from "~/ui/classes";
import { count } from "~/ui/units";
import { Row } from "./row";
import { type Line, LINES_MAX, type LogStore } from "./store";
import type { Log } from "./use-log";

const ROW_PX = 24; // as high as a finger needs
const NEAR_PX = 60;

/** begin: what stands above the oldest line there is. */
export function LogList({ log, wrap, marked, begin, onOpen, className }: { log: Log; wrap: boolean; marked: string | null; begin: string; onOpen: (line: Line) => void; className?: string }) {
  const { store } = log;
  useSyncExternalStore(store.subscribe, store.snapshot);
  const box = useRef<HTMLDivElement>(null);
  const [follow, setFollow] = useState(true);
  const unseen = useUnseen(store, follow);
  const rows = useVirtualizer({
    count: store.size,
    getScrollElement: () => box.current,
    estimateSize: () => ROW_PX,
    getItemKey: (i) => store.at(i)?.id ?? i,
    overscan: 8,
  });

  useKeepPlace(box, store, follow);
  useLayoutEffect(() => {
    if (follow && box.current) box.current.scrollTop = box.current.scrollHeight;
  });
  useEffect(() => rows.measure(), [wrap, rows]);

  const onScroll = () => {
    const el = box.current;
    if (!el) return;
    setFollow(el.scrollHeight - el.scrollTop - el.clientHeight < NEAR_PX);
    if (el.scrollTop < 10 * ROW_PX) log.fetchOlder();
  };

  return (
    <div className="relative min-h-0">
      {/* eslint-disable-next-line jsx-a11y/no-noninteractive-tabindex -- scrolls by keyboard */}
      <div ref={box} role="region" aria-label={t.lines} tabIndex={0} onScroll={onScroll} className={cx("overflow-auto rounded-lg border border-line bg-surface py-2 focus-visible:-outline-offset-2", className)}>
        <p role="status" className="px-3 pb-1 text-xs text-muted">
          {store.dropped > 0 ? t.dropped(count(LINES_MAX)) : log.older === "loading" ? t.loadingOlder : log.older === "none" ? begin : ""}
        </p>
        <div className={cx("relative", !wrap && "w-max min-w-full")} style={{ height: rows.getTotalSize() }}>
          {rows.getVirtualItems().map((v) => {
            const line = store.at(v.index);
            return (
              line && (
                <div key={v.key} data-index={v.index} ref={wrap ? rows.measureElement : undefined} className="absolute top-0 left-0 w-full" style={{ transform: `translateY(${v.start}px)` }}>
                  <Row line={line} wrap={wrap} marked={marked === line.id} onOpen={onOpen} />
                </div>
              )
            );
          })}
        </div>
      </div>
      {!follow && (
        <Button
          icon="down"
          tone="primary"
          className="absolute right-4 bottom-4 shadow-lg"
          onClick={() => {
            setFollow(true);
            if (box.current) box.current.scrollTop = box.current.scrollHeight;
          }}
        >
          {unseen > 0 ? t.newLines(unseen) : t.follow}
        </Button>
      )}
    </div>
  );
}

/* Older lines come in above: what one reads stays where it is. */
function useKeepPlace(box: { current: HTMLDivElement | null }, store: LogStore, follow: boolean): void {
  const top = useRef<{ id: string | undefined; size: number }>({ id: undefined, size: 0 });

  useLayoutEffect(() => {
    const before = top.current;
    const el = box.current;
    if (el && !follow && before.id !== undefined && store.at(0)?.id !== before.id) {
      const added = store.indexOf(before.id);
      if (added > 0) el.scrollTop += added * ROW_PX;
    }
    top.current = { id: store.at(0)?.id, size: store.size };
  });
}

function useUnseen(store: LogStore, follow: boolean): number {
  const seen = useRef(0);
  const total = store.size + store.dropped;
  if (follow || seen.current > total) seen.current = total;
  return total - seen.current;
}
