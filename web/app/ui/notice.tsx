import type { ReactNode } from "react";
import { cx } from "./classes";
import { Icon, type IconName } from "./icons";

export type NoticeTone = "info" | "ok" | "warn" | "bad";

const looks: Record<NoticeTone, { box: string; icon: IconName }> = {
  info: { box: "bg-info-soft text-info", icon: "info" },
  ok: { box: "bg-ok-soft text-ok", icon: "check" },
  warn: { box: "bg-warn-soft text-warn", icon: "warn" },
  bad: { box: "bg-bad-soft text-bad", icon: "warn" },
};

export function Notice({ tone = "info", role, title, children, actions }: { tone?: NoticeTone; role?: "alert" | "status"; title?: string; children?: ReactNode; actions?: ReactNode }) {
  return (
    <div role={role} className={cx("flex flex-wrap items-start gap-x-2.5 gap-y-2 rounded-md px-3 py-2 text-sm", looks[tone].box)}>
      <Icon name={looks[tone].icon} className="mt-0.5 size-4 shrink-0" />
      <div className="min-w-0 flex-1 basis-48">
        {title && <p className="font-semibold">{title}</p>}
        {children}
      </div>
      {actions}
    </div>
  );
}
