import { useMutation } from "@tanstack/react-query";
import { useState } from "react";
import { api, data } from "~/api/client";
import type { Invitation } from "~/api/types";
import { paths } from "~/paths";
import { common } from "~/text/common";
import { workspace as t } from "~/text/workspace";
import { Button } from "~/ui/button";
import { Collection } from "~/ui/collection";
import { CopyBox, CopyButton } from "~/ui/copy";
import { DialogActions, FormActions } from "~/ui/dialog";
import { SelectField, TextField } from "~/ui/field";
import { errorsOf, Form } from "~/ui/form";
import { Time, useNow } from "~/ui/time";
import { toast } from "~/ui/toast";
import { refreshPeople, useInvitations } from "./queries";
import { type RoleChoice, RoleFields } from "./role-fields";

function linkOf(token: string): string {
  return `${window.location.origin}${paths.invitation(token)}`;
}

export function Invitations() {
  return (
    <Collection
      query={useInvitations()}
      label={t.invitations}
      head={[t.person, t.role, t.invite.expires, ""]}
      row={(i) => <Row key={i.id} invitation={i} />}
      empty={{ icon: "user", title: t.invite.empty, what: t.invite.emptyWhat }}
      add={{ label: t.invite.open, title: t.invite.title, form: (close) => <Invite onClose={close} /> }}
    />
  );
}

function Row({ invitation: i }: { invitation: Invitation }) {
  const path = { id: i.id };
  const ended = new Date(i.expires_at).getTime() < useNow();
  const renew = useMutation({
    mutationFn: () => data(api.PUT("/api/workspace/invitations/{id}/regenerate/", { params: { path } })),
    onSuccess: () => {
      toast(t.invite.renewed);
      return refreshPeople();
    },
  });
  const back = useMutation({ mutationFn: () => data(api.DELETE("/api/workspace/invitations/{id}/delete/", { params: { path } })), onSettled: refreshPeople });

  return (
    <tr>
      <td className="font-medium">{i.username}</td>
      <td>
        {t.roles[i.role]}
        {i.accessible_projects.length > 0 && <div className="text-sm text-muted">{i.accessible_projects.map((p) => p.slug).join(", ")}</div>}
      </td>
      <td className="whitespace-nowrap">
        {ended ? t.invite.expired : null} <Time value={i.expires_at} />
      </td>
      <td>
        <span className="flex flex-wrap justify-end gap-1">
          {!ended && <CopyButton text={linkOf(i.token)} label={`${t.invite.link}: ${i.username}`} />}
          <Button busy={renew.isPending} onClick={() => renew.mutate()} aria-label={`${t.invite.renew}: ${i.username}`}>
            {t.invite.renew}
          </Button>
          <Button busy={back.isPending} onClick={() => back.mutate()} aria-label={`${t.invite.back}: ${i.username}`}>
            {t.invite.back}
          </Button>
        </span>
      </td>
    </tr>
  );
}

function Invite({ onClose }: { onClose: () => void }) {
  const [username, setUsername] = useState("");
  const [days, setDays] = useState("3");
  const [value, setValue] = useState<RoleChoice>({ role: 30, projects: [] });
  const invite = useMutation({
    mutationFn: () => data(api.POST("/api/workspace/invite-user/", { body: { username, role: value.role, accessible_project_ids: [...value.projects], valid_for: Number(days) } })),
    onSuccess: refreshPeople,
  });

  if (invite.data) return <Made invitation={invite.data} onClose={onClose} />;
  return (
    <Form error={invite.error} fields={["username", "role", "accessible_project_ids", "valid_for"]} onSubmit={() => invite.mutate()}>
      <TextField label={t.invite.username} hint={t.invite.usernameHint} autoCapitalize="none" value={username} onChange={(e) => setUsername(e.target.value)} errors={errorsOf(invite.error, "username")} />
      <RoleFields value={value} onChange={setValue} errors={{ role: errorsOf(invite.error, "role"), projects: errorsOf(invite.error, "accessible_project_ids") }} />
      <SelectField label={t.invite.days} value={days} onChange={(e) => setDays(e.target.value)} choices={[1, 2, 3, 4, 5, 6, 7].map((d) => ({ value: String(d), label: String(d) }))} errors={errorsOf(invite.error, "valid_for")} />
      <FormActions onClose={onClose} action={t.invite.action} busy={invite.isPending} />
    </Form>
  );
}

function Made({ invitation: i, onClose }: { invitation: Invitation; onClose: () => void }) {
  return (
    <>
      <p>{t.invite.madeWhat}</p>
      <CopyBox text={linkOf(i.token)} name={t.invite.linkName} />
      <DialogActions>
        <Button tone="primary" onClick={onClose}>
          {common.close}
        </Button>
      </DialogActions>
    </>
  );
}
