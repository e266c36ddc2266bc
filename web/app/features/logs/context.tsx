/* What came around a line, without filters. */
import { useQuery } from "@tanstack/react-query";
import { useEffect, useRef } from "react";
import { logs as t } from "~/text/logs";
import { Button } from "~/ui/button";
import { CopyButton, copyText } from "~/ui/copy";
import { Dialog } from "~/ui/dialog";
import { Empty, Failed, SkeletonRows } from "~/ui/states";
import { toast } from "~/ui/toast";
import { common } from "~/text/common";
import { Row } from "./row";
import { fetchPage, type LogSource, sourceKey } from "./source";
import type { LogLine } from "~/api/types";

const AROUND = 50;

/** A line as an address has it. */
export interface Place {
  id: string;
  time: string;
}

async function around(source: LogSource, place: Place, signal: AbortSignal): Promise<LogLine[]> {
  const [before, after] = await Promise.all([
    fetchPage(source, { order: "desc", per_page: AROUND, time_before: place.time }, signal),
    fetchPage(source, { order: "asc", per_page: AROUND, time_after: place.time }, signal),
  ]);
  const seen = new Map<string, LogLine>();
  for (const l of [...before.lines.toReversed(), ...after.lines]) seen.set(l.id, l);
  return [...seen.values()];
}

export function Context({ source, place, onClose }: { source: LogSource; place: Place; onClose: () => void }) {
  const found = useQuery({ queryKey: ["log-context", sourceKey(source), place], queryFn: ({ signal }) => around(source, place, signal) });
  const line = found.data?.find((l) => l.id === place.id);
  const marked = useRef<HTMLDivElement>(null);

  useEffect(() => {
    marked.current?.scrollIntoView({ block: "center" }); // its promise is no clean-up
  }, [found.data]);
  return (
    <Dialog open wide title={t.context.title} onClose={onClose}>
      <div className="flex flex-wrap items-center justify-between gap-2">
        <p className="text-muted">{t.context.lead}</p>
        <div className="flex gap-2">
          {line && <CopyButton text={line.content_text} label={t.line.copy} />}
          <Button icon="link" onClick={() => void copyText(window.location.href).then((done) => done && toast(common.copied))}>
            {t.line.link}
          </Button>
        </div>
      </div>
      {found.error && <Failed error={found.error} onRetry={() => void found.refetch()} />}
      {found.isPending && <SkeletonRows rows={10} className="h-5 w-full" />}
      {found.data && !line && <Empty title={t.context.gone} />}
      {line && (
        // eslint-disable-next-line jsx-a11y/no-noninteractive-tabindex -- scrolls by keyboard
        <div role="region" aria-label={t.lines} tabIndex={0} className="max-h-[60dvh] overflow-auto rounded-md border border-line py-2">
          {found.data?.map((l) => (
            <div key={l.id} ref={l.id === place.id ? marked : undefined}>
              <Row line={l} wrap marked={l.id === place.id} onOpen={() => undefined} />
            </div>
          ))}
        </div>
      )}
    </Dialog>
  );
}
