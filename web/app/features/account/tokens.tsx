import { useMutation, useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { api, data } from "~/api/client";
import { keys } from "~/api/keys";
import { queryClient } from "~/api/query";
import type { Token } from "~/api/types";
import { account as t } from "~/text/account";
import { common } from "~/text/common";
import { Button } from "~/ui/button";
import { Collection } from "~/ui/collection";
import { CopyBox } from "~/ui/copy";
import { ConfirmDialog, DialogActions, FormActions } from "~/ui/dialog";
import { SelectField, TextField } from "~/ui/field";
import { errorsOf, Form } from "~/ui/form";
import { Status } from "~/ui/status";
import { Time } from "~/ui/time";
import { toast } from "~/ui/toast";

const SCOPES: readonly Token["scope"][] = ["read", "deploy", "admin"];

function refresh(): Promise<void> {
  return queryClient.invalidateQueries({ queryKey: keys.account("tokens") });
}

export function Tokens() {
  const list = useQuery({ queryKey: keys.account("tokens"), queryFn: ({ signal }) => data(api.GET("/api/tokens/", { signal })) });

  return (
    <Collection
      query={list}
      label={t.tokens}
      head={[t.token.name, t.token.scope, t.token.used, t.token.expires, ""]}
      row={(k) => <Row key={k.id} token={k} />}
      empty={{ icon: "key", title: t.token.empty, what: t.token.emptyWhat }}
      add={{ label: t.token.new, title: t.token.title, form: (close) => <Make onClose={close} /> }}
    />
  );
}

function Row({ token: k }: { token: Token }) {
  const [asked, setAsked] = useState(false);
  const revoke = useMutation({
    mutationFn: () => data(api.DELETE("/api/tokens/{id}/", { params: { path: { id: k.id } } })),
    onSuccess: () => {
      toast(t.token.revoked);
      return refresh();
    },
  });
  return (
    <tr>
      <td>
        <span className="font-medium">{k.name}</span>
        <div className="text-sm text-muted">
          {t.token.created} <Time value={k.created_at} />
        </div>
      </td>
      <td>{k.scope}</td>
      <td className="whitespace-nowrap">{k.last_used_at ? <Time value={k.last_used_at} /> : t.token.unused}</td>
      <td className="whitespace-nowrap">{k.expired ? <Status tone="idle" label={t.token.expired} /> : k.expires_at ? <Time value={k.expires_at} /> : t.token.never}</td>
      <td className="text-right">
        <Button onClick={() => setAsked(true)} aria-label={`${t.token.revoke}: ${k.name}`}>
          {t.token.revoke}
        </Button>
        <ConfirmDialog open={asked} title={t.token.revokeTitle(k.name)} action={t.token.revoke} busy={revoke.isPending} error={revoke.error} onConfirm={() => revoke.mutate()} onClose={() => setAsked(false)}>
          <p className="text-left">{t.token.revokeWhat}</p>
        </ConfirmDialog>
      </td>
    </tr>
  );
}

function Make({ onClose }: { onClose: () => void }) {
  const [form, setForm] = useState<{ name: string; scope: Token["scope"]; day: string }>({ name: "", scope: "deploy", day: "" });
  const make = useMutation({
    mutationFn: () => data(api.POST("/api/tokens/", { body: { name: form.name, scope: form.scope, ...(form.day ? { expires_at: new Date(`${form.day}T23:59:59`).toISOString() } : {}) } })),
    onSuccess: refresh,
  });

  if (make.data)
    return (
      <>
        <p>{t.token.madeWhat}</p>
        <CopyBox text={make.data.token} name={t.token.made} />
        <DialogActions>
          <Button tone="primary" onClick={onClose}>
            {common.close}
          </Button>
        </DialogActions>
      </>
    );
  return (
    <Form error={make.error} fields={["name", "scope", "expires_at"]} onSubmit={() => make.mutate()}>
      <TextField label={t.token.name} maxLength={100} value={form.name} onChange={(e) => setForm({ ...form, name: e.target.value })} errors={errorsOf(make.error, "name")} />
      <SelectField
        label={t.token.scope}
        value={form.scope}
        onChange={(e) => setForm({ ...form, scope: SCOPES.find((s) => s === e.target.value) ?? "read" })}
        choices={SCOPES.map((s) => ({ value: s, label: t.token.scopes[s] }))}
        errors={errorsOf(make.error, "scope")}
      />
      <TextField label={t.token.expires} optional type="date" value={form.day} onChange={(e) => setForm({ ...form, day: e.target.value })} errors={errorsOf(make.error, "expires_at")} />
      <FormActions onClose={onClose} action={t.token.action} busy={make.isPending} />
    </Form>
  );
}
