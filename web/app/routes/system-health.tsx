import { Issues } from "~/features/system/issues";
import { Parts } from "~/features/system/parts";
import { useHealth } from "~/features/system/use-health";
import { common } from "~/text/common";
import { system as t } from "~/text/system";
import { Notice } from "~/ui/notice";
import { Loaded } from "~/ui/states";
import { useNow } from "~/ui/time";
import { relative } from "~/ui/units";

export default function SystemHealth() {
  const { query, away, live } = useHealth();
  const now = useNow();

  return (
    <Loaded query={query}>
      {(h) => (
        <div className="grid gap-4">
          {live.kind === "lost" && <Notice tone="warn">{common.live.lost(relative(live.since, now))}</Notice>}
          {away && <Notice tone="bad">{t.away(away)}</Notice>}
          <Notice tone={h.ready ? "ok" : "warn"} role="status" title={h.ready ? t.ready : t.notReady}>
            {h.summary}
          </Notice>
          <Parts parts={h.parts} />
          <Issues issues={h.issues} />
        </div>
      )}
    </Loaded>
  );
}
