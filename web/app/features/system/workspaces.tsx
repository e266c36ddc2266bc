import { useMutation, useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { useSearchParams } from "react-router";
import { api, data } from "~/api/client";
import { keys } from "~/api/keys";
import { queryClient } from "~/api/query";
import { common } from "~/text/common";
import { system as t } from "~/text/system";
import { Button, IconButton } from "~/ui/button";
import { ConfirmDialog, Dialog, DialogActions, FormActions } from "~/ui/dialog";
import { SelectField, TextField } from "~/ui/field";
import { errorsOf, Form } from "~/ui/form";
import { Table } from "~/ui/layout";
import { Menu } from "~/ui/menu";
import { Pager } from "~/ui/pager";
import { Empty, Loaded } from "~/ui/states";
import { toast } from "~/ui/toast";

const PER_PAGE = 50;

interface Space {
  id: string;
  name: string;
}

function refresh(): Promise<void> {
  return queryClient.invalidateQueries();
}

export function Workspaces() {
  const [params, setParams] = useSearchParams();
  const [open, setOpen] = useState(false);
  const name = params.get("name") ?? "";
  const page = Math.max(1, Number(params.get("page") ?? "1") || 1);
  const list = useQuery({
    queryKey: keys.system("workspaces", { name, page }),
    queryFn: ({ signal }) => data(api.GET("/api/console/workspaces/", { params: { query: { page, per_page: PER_PAGE, ...(name ? { name } : {}) } }, signal })),
    placeholderData: (before) => before,
  });

  return (
    <div className="grid gap-3">
      <div className="flex flex-wrap items-end justify-between gap-3">
        <div className="w-full max-w-sm">
          <TextField label={t.space.search} type="search" value={name} onChange={(e) => setParams(e.target.value ? { name: e.target.value } : {}, { replace: true })} />
        </div>
        <Button tone="primary" icon="plus" onClick={() => setOpen(true)}>
          {t.space.create}
        </Button>
      </div>
      <Loaded query={list}>
        {(found) =>
          found.results.length ? (
            <>
              <Table label={t.workspaces} head={[t.space.name, ""]}>
                {found.results.map((w) => (
                  <Row key={w.id} space={w} />
                ))}
              </Table>
              <Pager page={page} count={found.count} perPage={PER_PAGE} onPage={(p) => setParams({ ...(name ? { name } : {}), page: String(p) })} />
            </>
          ) : (
            <Empty title={t.space.none} />
          )
        }
      </Loaded>
      <Dialog open={open} title={t.space.create} onClose={() => setOpen(false)}>
        <Create onClose={() => setOpen(false)} />
      </Dialog>
    </div>
  );
}

function Row({ space: w }: { space: Space }) {
  const [asked, setAsked] = useState<"members" | "transfer" | "delete" | null>(null);
  const close = () => setAsked(null);
  const remove = useMutation({
    mutationFn: () => data(api.DELETE("/api/console/workspaces/{id}/", { params: { path: { id: w.id } } })),
    onSuccess: async () => {
      toast(t.space.deleted);
      await refresh();
    },
  });

  return (
    <tr>
      <td>
        <span className="font-medium">{w.name}</span>
        <div className="font-mono text-xs text-muted">{w.id}</div>
      </td>
      <td className="text-right">
        <Menu
          label={`${common.more}: ${w.name}`}
          trigger={<IconButton icon="dots" label={`${common.more}: ${w.name}`} />}
          entries={[
            { kind: "action", text: t.space.show, icon: "user", onSelect: () => setAsked("members") },
            { kind: "action", text: t.space.transfer, icon: "key", onSelect: () => setAsked("transfer") },
            { kind: "action", text: t.space.delete, icon: "trash", danger: true, onSelect: () => setAsked("delete") },
          ]}
        />
        <Dialog open={asked === "members"} title={`${t.space.members}: ${w.name}`} onClose={close}>
          <MemberList id={w.id} />
        </Dialog>
        <Dialog open={asked === "transfer"} title={`${t.space.transfer}: ${w.name}`} onClose={close}>
          <Transfer id={w.id} onClose={close} />
        </Dialog>
        <ConfirmDialog open={asked === "delete"} title={t.space.deleteTitle} name={w.name} action={t.space.delete} busy={remove.isPending} error={remove.error} onConfirm={() => remove.mutate()} onClose={close}>
          <p className="text-left">{t.space.deleteWhat}</p>
        </ConfirmDialog>
      </td>
    </tr>
  );
}

function MemberList({ id }: { id: string }) {
  const found = useQuery({ queryKey: keys.system("workspace", { id }), queryFn: ({ signal }) => data(api.GET("/api/console/workspaces/{id}/", { params: { path: { id } }, signal })) });
  return (
    <Loaded query={found}>
      {(w) => (
        <ul className="grid gap-1 text-left">
          {w.members.map((m) => (
            <li key={m.id} className="flex justify-between gap-2">
              <span>{m.user.username}</span>
              <span className="text-muted">{m.role_name}</span>
            </li>
          ))}
        </ul>
      )}
    </Loaded>
  );
}

function Transfer({ id, onClose }: { id: string; onClose: () => void }) {
  const users = useQuery({ queryKey: keys.system("users", { all: true }), queryFn: ({ signal }) => data(api.GET("/api/console/users/", { params: { query: { per_page: 100 } }, signal })) });
  const [owner, setOwner] = useState("");
  const transfer = useMutation({
    mutationFn: () => data(api.PUT("/api/console/workspaces/{id}/transfer-ownership/", { params: { path: { id } }, body: { owner_id: Number(owner) } })),
    onSuccess: async () => {
      toast(t.space.transferred);
      onClose();
      await refresh();
    },
  });
  return (
    <Form error={transfer.error} fields={["owner_id"]} onSubmit={() => transfer.mutate()} className="text-left">
      <SelectField label={t.space.transferTo} value={owner} onChange={(e) => setOwner(e.target.value)} choices={[{ value: "", label: "" }, ...(users.data?.results.map((u) => ({ value: String(u.id), label: u.username })) ?? [])]} errors={errorsOf(transfer.error, "owner_id")} />
      <DialogActions>
        <Button onClick={onClose}>{common.cancel}</Button>
        <Button type="submit" tone="primary" disabled={!owner} busy={transfer.isPending}>
          {t.space.transfer}
        </Button>
      </DialogActions>
    </Form>
  );
}

function Create({ onClose }: { onClose: () => void }) {
  const [name, setName] = useState("");
  const create = useMutation({
    mutationFn: () => data(api.POST("/api/workspaces/create/", { body: { name } })),
    onSuccess: async () => {
      toast(t.space.created);
      onClose();
      await refresh();
    },
  });
  return (
    <Form error={create.error} fields={["name"]} onSubmit={() => create.mutate()}>
      <TextField label={t.space.createName} value={name} onChange={(e) => setName(e.target.value)} errors={errorsOf(create.error, "name")} />
      <FormActions onClose={onClose} action={t.space.create} busy={create.isPending} />
    </Form>
  );
}
