/* All lines that match, as a file: fetched page by page, oldest first. */
import { useEffect, useRef, useState } from "react";
import { logs as t } from "~/text/logs";
import { Button } from "~/ui/button";
import { Dialog, DialogActions } from "~/ui/dialog";
import { Failed } from "~/ui/states";
import { count } from "~/ui/units";
import { type Filters, toQuery } from "./filters";
import { fetchPage, type LogSource } from "./source";
import type { LogLine } from "~/api/types";

const MOST = 20_000;

type Kind = "text" | "json";

function fileOf(lines: readonly LogLine[], kind: Kind): Blob {
  const text = lines.map((l) => (kind === "json" ? JSON.stringify({ time: l.time, level: l.level, source: l.source, container_id: l.container_id, line: l.content_text }) : `${l.time} ${l.level} ${l.content_text}`));
  return new Blob([`${text.join("\n")}\n`], { type: kind === "json" ? "application/x-ndjson" : "text/plain" });
}

function save(blob: Blob, name: string): void {
  const url = URL.createObjectURL(blob);
  const link = document.createElement("a");
  link.href = url;
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}

export function Download({ source, filters, name, onClose }: { source: LogSource; filters: Filters; name: string; onClose: () => void }) {
  const [lines, setLines] = useState(0);
  const [state, setState] = useState<"idle" | "running" | "done" | "cut">("idle");
  const [error, setError] = useState<Error | null>(null);
  const abort = useRef<AbortController | null>(null);

  useEffect(() => () => abort.current?.abort(), []);

  const run = async (kind: Kind) => {
    const controller = new AbortController();
    const found: LogLine[] = [];
    let cursor: string | null = null;

    abort.current = controller;
    setError(null);
    setState("running");
    try {
      do {
        const page: { lines: LogLine[]; next: string | null } = await fetchPage(source, { ...toQuery(filters, Date.now()), order: "asc", ...(cursor ? { cursor } : {}) }, controller.signal);
        found.push(...page.lines);
        setLines(found.length);
        cursor = page.next;
      } while (cursor && found.length < MOST);
    } catch (e) {
      setState("idle");
      if (!controller.signal.aborted) setError(e instanceof Error ? e : new Error(String(e)));
      return;
    }
    save(fileOf(found, kind), `${name}.${kind === "json" ? "jsonl" : "log"}`);
    setState(cursor ? "cut" : "done");
  };

  return (
    <Dialog open title={t.download.title} onClose={onClose}>
      <p>{t.download.lead(count(MOST))}</p>
      {error && <Failed error={error} />}
      <p role="status" className="min-h-5 text-muted">
        {state === "running" && t.download.running(count(lines))}
        {state === "done" && t.download.done(count(lines))}
        {state === "cut" && t.download.cut(count(MOST))}
      </p>
      <DialogActions>
        <Button busy={state === "running"} icon="download" onClick={() => void run("json")}>
          {t.download.json}
        </Button>
        <Button busy={state === "running"} icon="download" tone="primary" onClick={() => void run("text")}>
          {t.download.text}
        </Button>
      </DialogActions>
    </Dialog>
  );
}
