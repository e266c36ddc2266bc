/* A list of a service's parts: each can be added, edited, removed, and what waits undone. */
import { type ReactNode, useState } from "react";
import type { ServicePath } from "~/api/keys";
import type { Service, ServiceChangeRequest } from "~/api/types";
import { common } from "~/text/common";
import { settings } from "~/text/settings";
import { waiting } from "~/text/waiting";
import { Button, IconButton } from "~/ui/button";
import { cx } from "~/ui/classes";
import { ConfirmDialog, Dialog, DialogActions } from "~/ui/dialog";
import { errorsOf, Form, Refused } from "~/ui/form";
import { useWish } from "./data";
import { type Item, items, type ItemValues, type ListField } from "./overlay";
import { StateMark } from "./waiting";

const t = settings.items;

export interface FieldsProps<D> {
  draft: D;
  set: (draft: D) => void;
  errors: (path: string) => string[]; // of a member of the item, dotted
  adding: boolean;
}

/** What a list's items are: how they are shown, and what a form makes of them. */
export interface Kind<F extends ListField, D> {
  field: F;
  add: string; // what the button says
  name: (value: ItemValues[F]) => string;
  describe: (value: ItemValues[F]) => ReactNode;
  draft: (value: ItemValues[F] | null) => D;
  body: (draft: D) => unknown; // new_value; what is wrong with it the API says
  paths: readonly string[]; // members that fields() shows errors of
  fields: (props: FieldsProps<D>) => ReactNode; // no component: what is typed stays while the page is drawn anew
  removeLead: (value: ItemValues[F]) => string;
  more?: (item: Item<ItemValues[F]>) => ReactNode;
  wide?: boolean;
}

interface SectionProps<F extends ListField, D> {
  path: ServicePath;
  service: Service;
  kind: Kind<F, D>;
  empty: ReactNode;
  addable?: boolean;
}

function asRequest(request: { field: ListField; type: "ADD" | "UPDATE" | "DELETE"; item_id?: string; new_value?: unknown }): ServiceChangeRequest {
  return request as ServiceChangeRequest;
}

/* Dialogs belong to the list, not to a row: an item that is asked for anew is away for a moment. */
type Doing<F extends ListField> = { what: "add" } | { what: "edit" | "remove"; item: Item<ItemValues[F]> };

export function ItemList<F extends ListField, D>({ path, service, kind, empty, addable = true }: SectionProps<F, D>) {
  const [doing, setDoing] = useState<Doing<F> | null>(null);
  const all = items(service, kind.field);
  const close = () => setDoing(null);

  return (
    <div className="grid grid-cols-1 gap-3">
      {all.length ? (
        <ul className="divide-y divide-line rounded-md border border-line">
          {all.map((item) => (
            <ItemRow key={item.key} path={path} kind={kind} item={item} onEdit={() => setDoing({ what: "edit", item })} onRemove={() => setDoing({ what: "remove", item })} />
          ))}
        </ul>
      ) : (
        empty
      )}
      {addable && (
        <div>
          <Button icon="plus" onClick={() => setDoing({ what: "add" })}>
            {kind.add}
          </Button>
        </div>
      )}
      {doing?.what === "add" && <ItemDialog path={path} kind={kind} item={null} onClose={close} />}
      {doing?.what === "edit" && <ItemDialog path={path} kind={kind} item={doing.item} onClose={close} />}
      {doing?.what === "remove" && <RemoveItem path={path} kind={kind} item={doing.item} onClose={close} />}
    </div>
  );
}

function ItemRow<F extends ListField, D>({ path, kind, item, onEdit, onRemove }: { path: ServicePath; kind: Kind<F, D>; item: Item<ItemValues[F]>; onEdit: () => void; onRemove: () => void }) {
  const undo = useWish(path);
  const name = kind.name(item.value);

  return (
    <li className="grid grid-cols-1 gap-2 px-3 py-2">
      <div className="flex items-start justify-between gap-2">
        <div className="grid min-w-0 gap-1 py-1">
          <div className={cx(item.state === "removed" && "line-through")}>{kind.describe(item.value)}</div>
          {item.state !== "live" && (
            <div>
              <StateMark state={item.state} />
            </div>
          )}
          {item.state === "changed" && item.old && (
            <div className="text-sm text-muted">
              {waiting.was} {kind.describe(item.old)}
            </div>
          )}
        </div>
        <div className="flex shrink-0">
          {item.change && <IconButton icon="undo" label={t.undo(name)} disabled={undo.isPending} onClick={() => undo.mutate({ body: null, instead: item.change })} />}
          {item.state !== "removed" && (
            <>
              <IconButton icon="edit" label={t.edit(name)} onClick={onEdit} />
              <IconButton icon="trash" label={t.remove(name)} onClick={onRemove} />
            </>
          )}
        </div>
      </div>
      {kind.more?.(item)}
      <Refused error={undo.error} />
    </li>
  );
}

function ItemDialog<F extends ListField, D>({ path, kind, item, onClose }: { path: ServicePath; kind: Kind<F, D>; item: Item<ItemValues[F]> | null; onClose: () => void }) {
  const [draft, setDraft] = useState(() => kind.draft(item?.value ?? null));
  const save = useWish(path, onClose);
  const submit = () => {
    const value = { field: kind.field, new_value: kind.body(draft) };
    const body = item?.itemId ? asRequest({ ...value, type: "UPDATE", item_id: item.itemId }) : asRequest({ ...value, type: "ADD" });
    save.mutate({ body, instead: item?.change ?? null });
  };

  return (
    <Dialog open wide={kind.wide ?? false} title={item ? t.edit(kind.name(item.value)) : kind.add} onClose={onClose}>
      <Form error={save.error} fields={kind.paths.map((p) => `new_value.${p}`)} onSubmit={submit}>
        {kind.fields({ draft, set: setDraft, errors: (p) => errorsOf(save.error, `new_value.${p}`), adding: !item })}
        <DialogActions>
          <Button onClick={onClose}>{common.cancel}</Button>
          <Button type="submit" tone="primary" busy={save.isPending}>
            {item ? common.save : kind.add}
          </Button>
        </DialogActions>
      </Form>
    </Dialog>
  );
}

function RemoveItem<F extends ListField, D>({ path, kind, item, onClose }: { path: ServicePath; kind: Kind<F, D>; item: Item<ItemValues[F]>; onClose: () => void }) {
  const remove = useWish(path, onClose);
  const body = item.itemId ? asRequest({ field: kind.field, type: "DELETE", item_id: item.itemId }) : null;

  return (
    <ConfirmDialog
      open
      title={t.removeTitle(kind.name(item.value))}
      action={common.remove}
      busy={remove.isPending}
      error={remove.error}
      onConfirm={() => remove.mutate({ body, instead: item.change })}
      onClose={onClose}
    >
      <p>{item.itemId ? kind.removeLead(item.value) : waiting.neverDeployed}</p>
    </ConfirmDialog>
  );
}
