/* The looks of what is not (yet) there: loading, empty, failed. */
import type { UseQueryResult } from "@tanstack/react-query";
import type { ReactNode } from "react";
import { asApiError } from "~/api/error";
import { common } from "~/text/common";
import { Button } from "./button";
import { cx } from "./classes";
import { CopyText } from "./copy";
import { Icon, type IconName } from "./icons";
import { Page } from "./layout";
import { troubleText } from "./trouble";

export function Empty({ icon = "info", title, children, actions }: { icon?: IconName; title: string; children?: ReactNode; actions?: ReactNode }) {
  return (
    <div className="grid justify-items-center gap-2 rounded-lg border border-dashed border-line-strong px-4 py-10 text-center">
      <Icon name={icon} className="size-6 text-muted" />
      <p className="font-semibold">{title}</p>
      {children && <div className="max-w-prose text-muted">{children}</div>}
      {actions && <div className="mt-2 flex flex-wrap justify-center gap-2">{actions}</div>}
    </div>
  );
}

export function Failed({ error, onRetry }: { error: Error; onRetry?: () => void }) {
  const e = asApiError(error);
  const t = troubleText(e);

  return (
    <div role="alert" className="grid justify-items-center gap-2 rounded-lg border border-line bg-surface px-4 py-10 text-center">
      <Icon name={e.trouble === "offline" ? "offline" : "warn"} className="size-6 text-bad" />
      <p className="font-semibold">{t.title}</p>
      {t.what && <p className="max-w-prose text-muted">{t.what}</p>}
      {e.requestId && e.trouble === "server" && (
        <p className="text-sm text-muted">
          {common.errors.requestId} <CopyText text={e.requestId} />
        </p>
      )}
      {onRetry && e.trouble !== "refused" && (
        <Button icon="refresh" onClick={onRetry}>
          {common.retry}
        </Button>
      )}
    </div>
  );
}

/** A grey place of the final shape; shows only what takes longer than 300 ms. */
export function Skeleton({ className }: { className?: string }) {
  return <div aria-hidden="true" className={cx("skeleton", className ?? "h-4 w-full")} />;
}

export function SkeletonRows({ rows = 4, className }: { rows?: number; className?: string }) {
  return (
    <div className="grid gap-2" role="status" aria-label={common.loading}>
      {Array.from({ length: rows }, (_, i) => (
        <Skeleton key={i} className={className ?? "h-10 w-full"} />
      ))}
    </div>
  );
}

/** A query's four looks: what is there is shown even while it is fetched anew or could not be. page: the title of the page
 * that children would make. */
export function Loaded<T>({ query, skeleton, page, children }: { query: UseQueryResult<T>; skeleton?: ReactNode; page?: string; children: (data: T) => ReactNode }) {
  if (query.data !== undefined) return <>{children(query.data)}</>;
  const look = query.error ? <Failed error={query.error} onRetry={() => void query.refetch()} /> : (skeleton ?? <SkeletonRows />);
  return page ? <Page title={page}>{look}</Page> : <>{look}</>;
}
