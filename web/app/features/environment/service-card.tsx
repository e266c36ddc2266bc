import type { ReactNode } from "react";
import { Link } from "react-router";
import type { ServiceCard as Card } from "~/api/types";
import { paths } from "~/paths";
import { environment as t } from "~/text/environment";
import { serviceStatus } from "~/text/status";
import { Icon } from "~/ui/icons";
import { Status } from "~/ui/status";
import { Time } from "~/ui/time";

/** choice: what selects the card, in front of its name. */
export function ServiceCard({ project, env, service: s, choice }: { project: string; env: string; service: Card; choice?: ReactNode }) {
  const look = serviceStatus[s.status];

  return (
    <li className="relative grid content-start gap-1.5 rounded-lg border border-line bg-surface p-4 transition-colors hover:border-line-strong">
      <div className="flex items-start justify-between gap-2">
        {choice && <span className="relative z-10 flex">{choice}</span>}
        <h2 className="min-w-0 flex-1 font-semibold">
          <Link to={paths.service({ project, env, service: s.slug })} className="after:absolute after:inset-0 after:rounded-lg">
            {s.slug}
          </Link>
        </h2>
        <Status tone={look.tone} label={look.label} />
      </div>
      <p className="truncate font-mono text-sm text-muted" title={`${s.image}:${s.tag}`}>
        {s.image}:{s.tag}
      </p>
      {s.url && (
        <a href={`//${s.url}`} target="_blank" rel="noreferrer" className="relative inline-flex w-fit max-w-full items-center gap-1 text-sm text-accent hover:underline">
          <span className="truncate">{s.url}</span>
          <Icon name="external" className="size-3.5 shrink-0" />
        </a>
      )}
      <p className="flex justify-between gap-2 text-sm text-muted">
        <span>{s.volume_number > 0 && t.volumes(s.volume_number)}</span>
        <span>
          {t.changed} <Time value={s.updated_at} />
        </span>
      </p>
    </li>
  );
}
