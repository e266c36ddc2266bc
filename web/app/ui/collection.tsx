/* A list that people add to: its table, or what it is for while it is empty, and the dialog that adds. */
import type { UseQueryResult } from "@tanstack/react-query";
import { type ReactNode, useState } from "react";
import { Button } from "./button";
import { Dialog } from "./dialog";
import type { IconName } from "./icons";
import { Table } from "./layout";
import { Empty, Loaded } from "./states";

export function Collection<T>({
  query,
  label,
  head,
  row,
  empty,
  add,
}: {
  query: UseQueryResult<T[]>;
  label: string;
  head: readonly string[];
  row: (item: T) => ReactNode;
  empty: { icon: IconName; title: string; what: string };
  add: { label: string; title: string; form: (close: () => void) => ReactNode } | null; // null: who looks may not
}) {
  const [open, setOpen] = useState(false);
  const button = add && (
    <Button tone="primary" icon="plus" onClick={() => setOpen(true)}>
      {add.label}
    </Button>
  );

  return (
    <div className="grid gap-3">
      <Loaded query={query}>
        {(all) =>
          all.length ? (
            <>
              <div>{button}</div>
              <Table label={label} head={head}>
                {all.map(row)}
              </Table>
            </>
          ) : (
            <Empty icon={empty.icon} title={empty.title} actions={button}>
              {empty.what}
            </Empty>
          )
        }
      </Loaded>
      {add && (
        <Dialog open={open} title={add.title} onClose={() => setOpen(false)}>
          {add.form(() => setOpen(false))}
        </Dialog>
      )}
    </div>
  );
}
