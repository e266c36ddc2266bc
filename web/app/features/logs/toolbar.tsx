import { type ReactNode, useEffect, useState } from "react";
import { logs as t } from "~/text/logs";
import { Button, IconButton } from "~/ui/button";
import { cx } from "~/ui/classes";
import { SelectField, TextField } from "~/ui/field";
import { type Filters, isFiltered, LEVELS, type Level, RANGES } from "./filters";

const TYPING_MS = 350;

export function Toolbar({ filters, onFilters, wrap, onWrap, onDownload, state }: { filters: Filters; onFilters: (f: Filters) => void; wrap: boolean; onWrap: (w: boolean) => void; onDownload: () => void; state: ReactNode }) {
  const set = (part: Partial<Filters>) => onFilters({ ...filters, ...part });

  return (
    <div role="search" aria-label={t.filters} className="grid gap-2">
      <div className="flex flex-wrap items-center gap-2">
        <div className="min-w-40 flex-1">
          <SearchText text={filters.text} onText={(text) => set({ text })} />
        </div>
        <Levels levels={filters.levels} onLevels={(levels) => set({ levels })} />
        <SelectField label={t.stream} hideLabel value={filters.stream} onChange={(e) => set({ stream: e.target.value === "stdout" || e.target.value === "stderr" ? e.target.value : "" })} choices={[{ value: "", label: t.streams.all }, { value: "stdout", label: t.streams.stdout }, { value: "stderr", label: t.streams.stderr }]} />
        <SelectField label={t.range} hideLabel value={filters.range} onChange={(e) => set({ range: RANGES.find((r) => r === e.target.value) ?? "live" })} choices={RANGES.map((r) => ({ value: r, label: t.ranges[r] }))} />
        <Button aria-pressed={wrap} onClick={() => onWrap(!wrap)}>
          {t.wrap}
        </Button>
        <IconButton icon="download" label={t.download.open} onClick={onDownload} />
      </div>
      {filters.range === "custom" && (
        <div className="grid max-w-lg gap-2 sm:grid-cols-2">
          <TextField label={t.after} type="datetime-local" value={filters.after} onChange={(e) => set({ after: e.target.value })} />
          <TextField label={t.before} type="datetime-local" value={filters.before} onChange={(e) => set({ before: e.target.value })} />
        </div>
      )}
      <div className="flex min-h-6 flex-wrap items-center justify-between gap-2 text-sm text-muted">
        {state}
        {isFiltered(filters) && (
          <Button tone="quiet" icon="cross" className="min-h-6" onClick={() => onFilters({ text: "", levels: [], stream: "", range: "live", after: "", before: "" })}>
            {t.clear}
          </Button>
        )}
      </div>
    </div>
  );
}

/* Asks once the typing pauses, or at once on Enter. */
function SearchText({ text, onText }: { text: string; onText: (text: string) => void }) {
  const [typed, setTyped] = useState(text);

  useEffect(() => setTyped(text), [text]);
  useEffect(() => {
    if (typed === text) return;
    const timer = setTimeout(() => onText(typed), TYPING_MS);
    return () => clearTimeout(timer);
  }, [typed, text, onText]);
  return (
    <TextField
      label={t.search}
      hideLabel
      type="search"
      placeholder={t.search}
      maxLength={256}
      value={typed}
      onChange={(e) => setTyped(e.target.value)}
      onKeyDown={(e) => {
        if (e.key === "Enter") onText(typed);
      }}
    />
  );
}

function Levels({ levels, onLevels }: { levels: readonly Level[]; onLevels: (levels: Level[]) => void }) {
  return (
    <div role="group" aria-label={t.level} className="flex">
      {LEVELS.map((l) => {
        const on = levels.includes(l);
        return (
          <button
            key={l}
            type="button"
            aria-pressed={on}
            onClick={() => onLevels(on ? levels.filter((x) => x !== l) : [...levels, l])}
            className={cx("h-8 border border-line-strong px-2 text-sm -ml-px first:ml-0 first:rounded-l-md last:rounded-r-md max-sm:h-10", on ? "bg-accent-soft font-medium text-ink" : "bg-surface text-muted hover:bg-sunken")}
          >
            {t.levels[l]}
          </button>
        );
      })}
    </div>
  );
}
