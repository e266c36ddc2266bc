/* What a deployment did, step by step, with how long each took; the last one may still run. */
import { cx } from "./classes";
import { Icon } from "./icons";
import { Elapsed, Time } from "./time";

export interface Step {
  id: string;
  text: string;
  from: string;
  to: string | null; // null: it runs
  failed: boolean;
  percent: number | null;
}

export function Timeline({ label, steps, percentText }: { label: string; steps: readonly Step[]; percentText: (n: number) => string }) {
  return (
    <ol aria-label={label} aria-live="polite" className="grid">
      {steps.map((s, i) => (
        <li key={s.id} className="grid grid-cols-[1.25rem_1fr_auto] gap-x-2">
          <span className="flex flex-col items-center">
            <span className={cx("mt-0.5 flex size-5 items-center justify-center rounded-full", s.to === null ? "bg-info-soft text-info" : s.failed ? "bg-bad-soft text-bad" : "bg-ok-soft text-ok")}>
              <Icon name={s.to === null ? "work" : s.failed ? "cross" : "check"} className={cx("size-3.5", s.to === null && "animate-[spin_3s_linear_infinite]")} />
            </span>
            {i < steps.length - 1 && <span className="min-h-2 w-px flex-1 bg-line" />}
          </span>
          <span className="min-w-0 pb-2">
            <span className={cx("break-words", s.failed && "text-bad")}>{s.text}</span>
            {s.to === null && s.percent !== null && (
              <span className="mt-1 flex items-center gap-2">
                <progress aria-label={s.text} max={100} value={s.percent} className="h-1.5 w-40 accent-accent" />
                <span className="text-sm text-muted">{percentText(s.percent)}</span>
              </span>
            )}
          </span>
          <span className="text-sm whitespace-nowrap text-muted">
            <Time value={s.from} className="mr-2 max-sm:hidden" />
            <Elapsed from={s.from} to={s.to} />
          </span>
        </li>
      ))}
    </ol>
  );
}
