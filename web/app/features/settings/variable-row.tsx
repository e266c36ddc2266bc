import { useMutation } from "@tanstack/react-query";
import { common } from "~/text/common";
import { variables as t } from "~/text/variables";
import { waiting } from "~/text/waiting";
import { IconButton } from "~/ui/button";
import { cx } from "~/ui/classes";
import { ConfirmDialog } from "~/ui/dialog";
import { Refused } from "~/ui/form";
import { Secret } from "~/ui/secret";
import type { Variable } from "./dotenv";
import type { Item } from "./overlay";
import { onlyReference, references } from "./references";
import type { VariableActions } from "./variable-actions";
import { StateMark } from "./waiting";

/** shared: keys that references can name; null where they cannot be used. */
export function VariableRow({ row, actions, shown, onShow, shared, onEdit, onRemove }: { row: Item<Variable>; actions: VariableActions; shown: boolean; onShow: (shown: boolean) => void; shared: readonly string[] | null; onEdit: () => void; onRemove: () => void }) {
  const { key, value } = row.value;
  const undo = useMutation({ mutationFn: () => actions.undo(row) });
  const unknown = shared ? references(value).filter((r) => !shared.includes(r)) : [];

  return (
    <li className="grid grid-cols-[minmax(0,1fr)_auto] gap-x-4 gap-y-1 px-3 py-2 sm:grid-cols-[minmax(0,2fr)_minmax(0,3fr)_6rem]">
      <div className="grid content-start justify-items-start gap-1 py-0.5">
        <span className={cx("font-mono text-sm font-medium", row.state === "removed" && "line-through")}>{key}</span>
        {row.old && row.old.key !== key && (
          <span className="text-sm text-muted">
            {waiting.was} <span className="font-mono">{row.old.key}</span>
          </span>
        )}
        <StateMark state={row.state} />
      </div>
      <div className="grid min-w-0 content-start gap-1 max-sm:col-span-2 max-sm:row-start-2">
        <Value name={key} value={value} shown={shown} onShow={onShow} />
        {row.state === "changed" && row.old && row.old.value !== value && shown && (
          <p className="text-sm text-muted">
            {waiting.was} <span className="font-mono whitespace-pre-wrap">{row.old.value || t.emptyValue}</span>
          </p>
        )}
        {unknown.map((u) => (
          <p key={u} className="text-sm text-warn">
            {t.unknownReference(u)}
          </p>
        ))}
        <Refused error={undo.error} />
      </div>
      <div className="flex items-start justify-end">
        {row.change && <IconButton icon="undo" label={t.undo(key)} disabled={undo.isPending} onClick={() => undo.mutate()} />}
        {row.state !== "removed" && (
          <>
            <IconButton icon="edit" label={t.edit(key)} onClick={onEdit} />
            <IconButton icon="trash" label={t.remove(key)} onClick={onRemove} />
          </>
        )}
      </div>
    </li>
  );
}

function Value({ name, value, shown, onShow }: { name: string; value: string; shown: boolean; onShow: (shown: boolean) => void }) {
  if (value === "") return <span className="py-0.5 text-sm text-muted italic">{t.emptyValue}</span>;
  if (onlyReference(value)) return <span className="py-0.5 font-mono text-sm text-accent">{value}</span>;
  return <Secret text={value} shown={shown} onShow={onShow} names={{ show: t.showValue(name), hide: t.hideValue(name), copy: t.copyValue(name) }} />;
}

export function RemoveVariable({ actions, row, onClose }: { actions: VariableActions; row: Item<Variable>; onClose: () => void }) {
  const remove = useMutation({ mutationFn: () => actions.remove(row), onSuccess: onClose });
  return (
    <ConfirmDialog open title={t.removeTitle(row.value.key)} action={common.remove} busy={remove.isPending} error={remove.error} onConfirm={() => remove.mutate()} onClose={onClose}>
      <p>{actions.waits ? waiting.removed : t.removeLead}</p>
    </ConfirmDialog>
  );
}
