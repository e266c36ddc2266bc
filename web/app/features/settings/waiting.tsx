/* Marks of what waits for a deployment. */
import type { ReactNode } from "react";
import { waiting as t } from "~/text/waiting";
import { Button } from "~/ui/button";
import { Notice } from "~/ui/notice";
import { Status, type StatusTone } from "~/ui/status";
import type { IconName } from "~/ui/icons";
import type { ItemState } from "./overlay";

const marks: Record<Exclude<ItemState, "live">, { tone: StatusTone; icon: IconName }> = {
  added: { tone: "ok", icon: "plus" },
  changed: { tone: "warn", icon: "edit" },
  removed: { tone: "bad", icon: "trash" },
};

export function StateMark({ state }: { state: ItemState }) {
  if (state === "live") return null;
  return <Status tone={marks[state].tone} icon={marks[state].icon} label={t[state]} />;
}

/** Above a part of a service that waits as a whole. old: what is deployed, in words or as text of a machine. */
export function WaitingNotice({ old, onUndo, busy }: { old: ReactNode; onUndo: () => void; busy: boolean }) {
  return (
    <Notice
      tone="warn"
      title={t.changed}
      actions={
        <Button icon="undo" busy={busy} onClick={onUndo}>
          {t.undo}
        </Button>
      }
    >
      <p>
        {t.was} {old ?? t.nothing}
      </p>
    </Notice>
  );
}
