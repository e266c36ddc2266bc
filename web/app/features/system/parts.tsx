import { system as t } from "~/text/system";
import { Table } from "~/ui/layout";
import { Status } from "~/ui/status";
import { Time } from "~/ui/time";
import { bytes } from "~/ui/units";
import type { Part } from "./health";

function Memory({ part: p }: { part: Part }) {
  if (p.memory === null || !p.cap) return null;
  const text = t.memoryOf(bytes(p.memory), bytes(p.cap));
  return (
    <span className="grid min-w-32 gap-0.5">
      <meter aria-label={`${t.memory}: ${p.id}`} min={0} max={p.cap} high={p.cap * 0.9} optimum={0} value={Math.min(p.memory, p.cap)} className="h-2 w-full" />
      <span className="text-sm whitespace-nowrap text-muted">{text}</span>
    </span>
  );
}

export function Parts({ parts }: { parts: readonly Part[] }) {
  return (
    <Table label={t.components} head={[t.part, t.state, t.since, t.restarts, t.memory, t.version]}>
      {parts.map((p) => {
        const look = t.states[p.state] ?? { label: p.state, tone: "idle" as const };
        return (
          <tr key={p.id}>
            <td>
              <span className="font-medium">{p.id}</span>
              <div className="text-sm text-muted">{t.roles[p.id]}</div>
            </td>
            <td>
              <Status tone={look.tone} label={look.label} />
              {p.blockedBy.length > 0 && <div className="text-sm text-muted">{t.blocked(p.blockedBy.join(", "))}</div>}
              {p.flapping && <div className="text-sm text-warn">{t.flapping}</div>}
              {p.state !== "READY" && p.message && <div className="max-w-xs text-sm break-words text-muted">{p.message}</div>}
            </td>
            <td className="whitespace-nowrap">{p.since && <Time value={p.since} />}</td>
            <td>{p.restarts}</td>
            <td>
              <Memory part={p} />
            </td>
            <td className="font-mono text-sm">{p.version}</td>
          </tr>
        );
      })}
    </Table>
  );
}
