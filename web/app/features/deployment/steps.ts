/* The build log of a deployment as steps: each line begins one, and the next line ends it. */
import type { Deployment, LogLine } from "~/api/types";
import { deployment as t } from "~/text/deployment";
import type { Step } from "~/ui/timeline";

/** lines: oldest first. */
export function stepsOf(d: Deployment, lines: readonly LogLine[]): Step[] {
  const own = lines.filter((l) => l.source === "SYSTEM");
  const open = d.finished_at === null && d.step !== null && d.step !== undefined;
  const steps: Step[] = own.map((l, i) => ({
    id: l.id,
    text: l.content_text,
    from: l.time,
    to: own[i + 1]?.time ?? (open ? null : (d.finished_at ?? l.time)),
    failed: l.level === "ERROR",
    percent: null,
  }));
  const last = steps.at(-1);

  if (!open || !d.step) return steps;
  // The line of a step comes with it, but lines are fetched apart from the deployment.
  if (!last || (d.step_since && new Date(last.from).getTime() + 1000 < new Date(d.step_since).getTime())) {
    if (last) last.to = d.step_since ?? last.from;
    steps.push({ id: `step ${d.step}`, text: t.steps[d.step] ?? d.step, from: d.step_since ?? d.queued_at, to: null, failed: false, percent: d.step_percent ?? null });
  } else {
    last.percent = d.step_percent ?? null;
  }
  return steps;
}
