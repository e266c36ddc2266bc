/* Variables as a table or as the text of an .env file. */
import { useState } from "react";
import { useSearchParams } from "react-router";
import { variables as t } from "~/text/variables";
import { Button } from "~/ui/button";
import { CopyButton } from "~/ui/copy";
import { Dialog } from "~/ui/dialog";
import { TextArea, TextField } from "~/ui/field";
import { Segments } from "~/ui/segments";
import { Empty } from "~/ui/states";
import { formatDotenv, type Variable } from "./dotenv";
import type { Item } from "./overlay";
import type { VariableActions } from "./variable-actions";
import { AddVariable, EditVariable } from "./variable-form";
import { TakeText, wantedVariables } from "./variable-preview";
import { RemoveVariable, VariableRow } from "./variable-row";

interface Props {
  rows: readonly Item<Variable>[];
  actions: VariableActions;
  shared: readonly string[] | null;
}

const FILTER_FROM = 8;

export function VariableEditor(props: Props) {
  const [search, setSearch] = useSearchParams();
  const view = search.get("view") === "text" ? "text" : "table";

  return (
    <div className="grid grid-cols-1 gap-4">
      <Segments
        label={t.view}
        value={view}
        choices={[
          { value: "table", label: t.table },
          { value: "text", label: t.text },
        ]}
        onChoose={(v) => setSearch(v === "text" ? { view: v } : {}, { replace: true })}
      />
      {view === "text" ? <TextView {...props} /> : <TableView {...props} />}
    </div>
  );
}

function TextView({ rows, actions }: Props) {
  const [text, setText] = useState(() => formatDotenv(wantedVariables(rows)));
  return (
    <TakeText text={text} rows={rows} actions={actions} onDone={() => undefined}>
      <TextArea label={t.textLabel} hint={t.textHint} mono rows={Math.min(24, Math.max(8, text.split("\n").length + 1))} value={text} onChange={(e) => setText(e.target.value)} />
    </TakeText>
  );
}

function TableView({ rows, actions, shared }: Props) {
  const [filter, setFilter] = useState("");
  const [shown, setShown] = useState<ReadonlySet<string>>(new Set());
  const [pasted, setPasted] = useState<string | null>(null);
  const [doing, setDoing] = useState<{ what: "edit" | "remove"; row: Item<Variable> } | null>(null); // not in the row, which is away while it is asked for anew
  const wanted = filter.trim().toLowerCase();
  const visible = rows.filter((r) => r.value.key.toLowerCase().includes(wanted));
  const all = shown.size > 0;

  const show = (key: string, on: boolean) => {
    const next = new Set(shown);
    if (on) next.add(key);
    else next.delete(key);
    setShown(next);
  };

  return (
    <div className="grid grid-cols-1 gap-4">
      {rows.length === 0 ? (
        <Empty icon="key" title={t.empty.title}>
          {t.empty.what}
        </Empty>
      ) : (
        <div className="grid gap-2">
          <div className="flex flex-wrap items-center justify-between gap-2">
            {rows.length >= FILTER_FROM && (
              <div className="w-full sm:w-72">
                <TextField label={t.filter} hideLabel placeholder={t.filter} type="search" value={filter} onChange={(e) => setFilter(e.target.value)} />
              </div>
            )}
            <span className="flex items-center gap-1 text-sm text-muted">
              <CopyButton text={formatDotenv(wantedVariables(rows))} label={t.copyAll} />
              {t.copyAll}
            </span>
            <Button tone="quiet" icon={all ? "cover" : "eye"} onClick={() => setShown(all ? new Set() : new Set(rows.map((r) => r.key)))}>
              {all ? t.hideAll : t.showAll}
            </Button>
          </div>
          {visible.length === 0 && <p className="py-4 text-center text-muted">{t.noneMatch(filter)}</p>}
          <ul className="divide-y divide-line rounded-md border border-line">
            {visible.map((r) => (
              <VariableRow
                key={r.key}
                row={r}
                actions={actions}
                shown={shown.has(r.key)}
                onShow={(on) => show(r.key, on)}
                shared={shared}
                onEdit={() => setDoing({ what: "edit", row: r })}
                onRemove={() => setDoing({ what: "remove", row: r })}
              />
            ))}
          </ul>
        </div>
      )}
      <AddVariable actions={actions} onText={setPasted} />
      {doing?.what === "edit" && <EditVariable actions={actions} row={doing.row} onClose={() => setDoing(null)} />}
      {doing?.what === "remove" && <RemoveVariable actions={actions} row={doing.row} onClose={() => setDoing(null)} />}
      <Dialog open={pasted !== null} wide title={t.preview.pasted} onClose={() => setPasted(null)}>
        <TakeText text={pasted ?? ""} rows={rows} actions={actions} onDone={() => setPasted(null)}>
          <TextArea label={t.textLabel} mono rows={8} value={pasted ?? ""} onChange={(e) => setPasted(e.target.value)} />
        </TakeText>
      </Dialog>
    </div>
  );
}
