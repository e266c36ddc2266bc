import { useMutation } from "@tanstack/react-query";
import { useState } from "react";
import { api, data } from "~/api/client";
import { queryClient } from "~/api/query";
import type { Member } from "~/api/types";
import { role, useMe } from "~/features/auth/me";
import { common } from "~/text/common";
import { workspace as t } from "~/text/workspace";
import { IconButton } from "~/ui/button";
import { ConfirmDialog, Dialog, FormActions } from "~/ui/dialog";
import { errorsOf, Form } from "~/ui/form";
import { Table } from "~/ui/layout";
import { Menu } from "~/ui/menu";
import { toast } from "~/ui/toast";
import { refreshPeople } from "./queries";
import { type RoleChoice, RoleFields } from "./role-fields";

export function Members({ members }: { members: readonly Member[] }) {
  return (
    <Table label={t.members} head={[t.person, t.role, ""]}>
      {members.map((m) => (
        <Row key={m.id} member={m} />
      ))}
    </Table>
  );
}

type Asked = "role" | "remove" | "transfer" | null;

function Row({ member: m }: { member: Member }) {
  const me = useMe();
  const [asked, setAsked] = useState<Asked>(null);
  const own = me.data?.user.username === m.user.username;
  const iAmOwner = me.data?.membership?.role === role.owner;
  const mayChange = !own && m.role !== role.owner && (m.role !== role.admin || iAmOwner);
  const name = [m.user.first_name, m.user.last_name].filter(Boolean).join(" ");

  return (
    <tr>
      <td>
        <span className="font-medium">{m.user.username}</span> {own && <span className="text-muted">({t.you})</span>}
        {name && <div className="text-sm text-muted">{name}</div>}
      </td>
      <td>
        {t.roles[m.role]}
        {m.accessible_projects.length > 0 && <div className="text-sm text-muted">{m.accessible_projects.map((p) => p.slug).join(", ")}</div>}
      </td>
      <td className="text-right">
        {mayChange && (
          <Menu
            label={`${common.more}: ${m.user.username}`}
            trigger={<IconButton icon="dots" label={`${common.more}: ${m.user.username}`} />}
            entries={[
              { kind: "action", text: t.change, icon: "edit", onSelect: () => setAsked("role") },
              ...(iAmOwner && m.role === role.admin ? [{ kind: "action", text: t.transfer, icon: "key", onSelect: () => setAsked("transfer") } as const] : []),
              { kind: "action", text: t.remove, icon: "trash", danger: true, onSelect: () => setAsked("remove") },
            ]}
          />
        )}
        <Dialog open={asked === "role"} title={`${t.change}: ${m.user.username}`} onClose={() => setAsked(null)}>
          <ChangeRole member={m} onClose={() => setAsked(null)} />
        </Dialog>
        <Remove member={m} open={asked === "remove"} onClose={() => setAsked(null)} />
        <Transfer member={m} open={asked === "transfer"} onClose={() => setAsked(null)} />
      </td>
    </tr>
  );
}

function ChangeRole({ member: m, onClose }: { member: Member; onClose: () => void }) {
  const [value, setValue] = useState<RoleChoice>({ role: m.role, projects: m.accessible_projects.map((p) => p.id) });
  const change = useMutation({
    mutationFn: () =>
      data(api.PUT("/api/workspace/members/{membership_id}/permissions/", { params: { path: { membership_id: String(m.id) } }, body: { role: value.role, accessible_project_ids: [...value.projects] } })),
    onSuccess: async () => {
      await refreshPeople();
      onClose();
    },
  });
  return (
    <Form error={change.error} fields={["role", "accessible_project_ids"]} onSubmit={() => change.mutate()} className="text-left">
      <RoleFields value={value} onChange={setValue} errors={{ role: errorsOf(change.error, "role"), projects: errorsOf(change.error, "accessible_project_ids") }} />
      <FormActions onClose={onClose} action={common.save} busy={change.isPending} />
    </Form>
  );
}

function Remove({ member: m, open, onClose }: { member: Member; open: boolean; onClose: () => void }) {
  const remove = useMutation({
    mutationFn: () => data(api.DELETE("/api/workspace/members/{membership_id}/", { params: { path: { membership_id: String(m.id) } } })),
    onSuccess: async () => {
      toast(t.removed(m.user.username));
      onClose();
      await refreshPeople();
    },
  });
  return (
    <ConfirmDialog open={open} title={t.removeTitle(m.user.username)} action={t.remove} busy={remove.isPending} error={remove.error} onConfirm={() => remove.mutate()} onClose={onClose}>
      <p className="text-left">{t.removeWhat}</p>
    </ConfirmDialog>
  );
}

function Transfer({ member: m, open, onClose }: { member: Member; open: boolean; onClose: () => void }) {
  const transfer = useMutation({
    mutationFn: () => data(api.POST("/api/workspace/transfer-ownership/", { body: { new_owner_id: m.id } })),
    onSuccess: async () => {
      onClose();
      await queryClient.invalidateQueries();
    },
  });
  return (
    <ConfirmDialog open={open} title={t.transferTitle(m.user.username)} name={m.user.username} action={t.transfer} busy={transfer.isPending} error={transfer.error} onConfirm={() => transfer.mutate()} onClose={onClose}>
      <p className="text-left">{t.transferWhat}</p>
    </ConfirmDialog>
  );
}
