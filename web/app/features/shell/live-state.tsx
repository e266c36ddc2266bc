import { useEffect, useRef, useState } from "react";
import { live, useLive } from "~/api/live";
import { common } from "~/text/common";
import { Button } from "~/ui/button";
import { cx } from "~/ui/classes";
import { Notice } from "~/ui/notice";
import { useNow } from "~/ui/time";
import { relative } from "~/ui/units";

const PATIENCE_MS = 2500; // a short break is not worth a banner

export function LiveDot() {
  const state = useLive();
  const name = state.kind === "live" ? common.live.live : common.live.connecting;

  if (state.kind === "off" || state.kind === "lost") return null;
  return (
    <span className="mr-1 flex items-center gap-1.5 text-xs text-muted">
      <span aria-hidden="true" className={cx("size-2 rounded-full", state.kind === "live" ? "bg-ok" : "border border-line-strong")} />
      <span className="max-md:sr-only">{name}</span>
    </span>
  );
}

/** Says that the page is not live, since when, and when it is again. */
export function LiveBanner() {
  const state = useLive();
  const now = useNow();
  const [back, setBack] = useState(false);
  const shown = state.kind === "lost" && now - state.since > PATIENCE_MS;
  const was = useRef(false);

  useEffect(() => {
    if (shown) was.current = true;
    if (state.kind !== "live" || !was.current) return;
    was.current = false;
    setBack(true);
    const t = setTimeout(() => setBack(false), 3000);
    return () => clearTimeout(t);
  }, [shown, state.kind]);
  return (
    <div role="status" className="mx-auto w-full max-w-6xl px-4 sm:px-6 [&>*]:mt-3">
      {shown && (
        <Notice
          tone="warn"
          actions={
            <Button className="-my-1" icon="refresh" onClick={live.retry}>
              {common.live.now}
            </Button>
          }
        >
          {common.live.lost(relative(state.since, now))}
        </Notice>
      )}
      {back && !shown && <Notice tone="ok">{common.live.back}</Notice>}
    </div>
  );
}
