/* A status is a colour, an icon and a word together. */
import { cx } from "./classes";
import { Icon, type IconName } from "./icons";

export type StatusTone = "ok" | "bad" | "warn" | "busy" | "idle";

const looks: Record<StatusTone, { text: string; box: string; icon: IconName; spin?: boolean }> = {
  ok: { text: "text-ok", box: "bg-ok-soft", icon: "check" },
  bad: { text: "text-bad", box: "bg-bad-soft", icon: "cross" },
  warn: { text: "text-warn", box: "bg-warn-soft", icon: "warn" },
  busy: { text: "text-info", box: "bg-info-soft", icon: "work", spin: true },
  idle: { text: "text-muted", box: "bg-sunken", icon: "ring" },
};

export function Status({ tone, label, icon }: { tone: StatusTone; label: string; icon?: IconName }) {
  const look = looks[tone];
  return (
    <span className={cx("inline-flex items-center gap-1 rounded-full px-2 py-0.5 text-xs font-medium whitespace-nowrap", look.text, look.box)}>
      <Icon name={icon ?? look.icon} className={cx("size-3.5 shrink-0", look.spin && !icon && "animate-[spin_3s_linear_infinite]")} />
      {label}
    </span>
  );
}
