import { memo, type ReactNode } from "react";
import { logs as t } from "~/text/logs";
import { cx } from "~/ui/classes";
import { Icon } from "~/ui/icons";
import { pieces } from "./ansi";
import type { Line } from "./store";

const clock = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", second: "2-digit", fractionalSecondDigits: 3, hourCycle: "h23" });
const whole = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "long" });
const tones: Record<Line["level"], string> = { ERROR: "text-bad", WARN: "text-warn", INFO: "text-muted", DEBUG: "text-muted" };

function Coloured({ text }: { text: string }): ReactNode {
  return pieces(text).map((p, i) => (
    <span key={i} className={p.className}>
      {p.text}
    </span>
  ));
}

export const Row = memo(function Row({ line, wrap, marked, onOpen }: { line: Line; wrap: boolean; marked: boolean; onOpen: (line: Line) => void }) {
  const at = new Date(line.time);
  return (
    <div className={cx("group/row flex min-h-6 gap-2 px-3 font-mono text-xs leading-6", line.level === "ERROR" && "bg-bad-soft", marked && "bg-accent-soft outline outline-1 outline-accent")}>
      <button type="button" title={`${whole.format(at)} · ${t.line.context}`} aria-label={`${t.line.of(clock.format(at))}: ${t.line.context}`} onClick={() => onOpen(line)} className="shrink-0 self-start text-muted hover:text-ink hover:underline">
        {clock.format(at)}
      </button>
      <span className={cx("w-9 shrink-0 max-sm:hidden", tones[line.level])}>{line.level === "WARN" ? "WARN" : line.level.slice(0, 5)}</span>
      {line.level === "ERROR" && <Icon name="warn" className="mt-1.5 size-3 shrink-0 text-bad sm:hidden" />}
      <span className={cx("min-w-0 flex-1", wrap ? "break-all whitespace-pre-wrap" : "whitespace-pre")}>
        <Coloured text={line.content} />
      </span>
    </div>
  );
});
