/* One change of a service, readable: what kind, of what, and from what to what. */
import { type ReactNode, useState } from "react";
import type { ServiceChange } from "~/api/types";
import { change as t } from "~/text/change";
import { changeRows, itemName } from "./change-rows";
import { Button } from "./button";
import { Status, type StatusTone } from "./status";

const tones: Record<ServiceChange["type"], { tone: StatusTone; icon: "plus" | "edit" | "trash" }> = {
  ADD: { tone: "ok", icon: "plus" },
  UPDATE: { tone: "busy", icon: "edit" },
  DELETE: { tone: "bad", icon: "trash" },
};

export function ChangeView({ change: c, actions }: { change: ServiceChange; actions?: ReactNode }) {
  const [shown, setShown] = useState(false);
  const rows = changeRows(c);
  const name = itemName(c);
  const value = (text: string | null, secret: boolean) => (text === null ? <span className="text-muted italic">{t.nothing}</span> : <span className="break-all whitespace-pre-wrap">{secret && !shown ? t.secret : text}</span>);

  return (
    <div className="grid gap-1.5 rounded-md border border-line p-3">
      <div className="flex flex-wrap items-center gap-2">
        <Status tone={tones[c.type].tone} icon={tones[c.type].icon} label={t.types[c.type]} />
        <span className="font-medium">{t.fields[c.field]}</span>
        {name && <code className="min-w-0 break-all text-sm">{name}</code>}
        <span className="ml-auto flex gap-1">
          {rows.some((r) => r.secret) && (
            <Button tone="quiet" className="min-h-7" onClick={() => setShown(!shown)}>
              {shown ? t.conceal : t.reveal}
            </Button>
          )}
          {actions}
        </span>
      </div>
      <dl className="grid gap-1 text-sm">
        {rows.map((r) => (
          <div key={r.name} className="grid gap-x-3 sm:grid-cols-[10rem_1fr]">
            <dt className="text-muted">{r.name}</dt>
            <dd className="min-w-0 font-mono text-xs leading-5">
              {c.type !== "DELETE" && value(r.after, r.secret)}
              {c.type === "DELETE" && <del>{value(r.before, r.secret)}</del>}
              {c.type === "UPDATE" && (
                <span className="ml-2 text-muted">
                  {t.was} {value(r.before, r.secret)}
                </span>
              )}
            </dd>
          </div>
        ))}
      </dl>
    </div>
  );
}
