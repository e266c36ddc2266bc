import { useMutation } from "@tanstack/react-query";
import { useState } from "react";
import { api, data } from "~/api/client";
import { asApiError } from "~/api/error";
import { keys } from "~/api/keys";
import { queryClient } from "~/api/query";
import { useRegistries } from "~/api/registries";
import type { RegistryCredential } from "~/api/types";
import { atLeast, role, useMe } from "~/features/auth/me";
import { common } from "~/text/common";
import { workspace as t } from "~/text/workspace";
import { Button } from "~/ui/button";
import { Collection } from "~/ui/collection";
import { ConfirmDialog, Dialog, FormActions } from "~/ui/dialog";
import { SelectField, TextField } from "~/ui/field";
import { errorsOf, fieldsOf, Form, formErrors } from "~/ui/form";
import { Notice } from "~/ui/notice";
import { toast } from "~/ui/toast";

type Type = RegistryCredential["registry_type"];

const TYPES: readonly Type[] = ["DOCKER_HUB", "GITHUB", "GITLAB", "GOOGLE_ARTIFACT", "AWS_ECR", "GENERIC"];
const OWN_PLACE: readonly Type[] = ["DOCKER_HUB", "GITHUB", "GITLAB"]; // the API knows where these are

function refresh(): Promise<void> {
  return queryClient.invalidateQueries({ queryKey: keys.registries() });
}

export function Registries() {
  const me = useMe();
  const owner = atLeast(me.data, role.owner);

  return (
    <Collection
      query={useRegistries()}
      label={t.registries}
      head={[t.registry.name, t.registry.type, t.registry.username, ""]}
      row={(r) => <Row key={r.id} registry={r} mayChange={owner} />}
      empty={{ icon: "key", title: t.registry.empty, what: t.registry.emptyWhat }}
      add={owner ? { label: t.registry.add, title: t.registry.add, form: (close) => <Edit registry={null} onClose={close} /> } : null}
    />
  );
}

function Row({ registry: r, mayChange }: { registry: RegistryCredential; mayChange: boolean }) {
  const [asked, setAsked] = useState<"edit" | "delete" | null>(null);
  const path = { id: r.id };
  const test = useMutation({ mutationFn: () => data(api.GET("/api/registries/credentials/{id}/test/", { params: { path } })), onSuccess: () => toast(t.registry.testOk) });
  const remove = useMutation({
    mutationFn: () => data(api.DELETE("/api/registries/credentials/{id}/", { params: { path } })),
    onSuccess: () => {
      toast(t.registry.deleted);
      return refresh();
    },
  });

  return (
    <tr>
      <td>
        <span className="font-medium">{r.slug}</span>
        <div className="text-sm break-all text-muted">{r.url}</div>
        {test.error && (
          <Notice tone="bad" role="alert">
            {formErrors(asApiError(test.error), []).join(" ")}
          </Notice>
        )}
      </td>
      <td>{t.registry.types[r.registry_type]}</td>
      <td className="break-all">{r.username}</td>
      <td>
        {mayChange && (
          <span className="flex flex-wrap justify-end gap-1">
            <Button busy={test.isPending} onClick={() => test.mutate()} aria-label={`${t.registry.test}: ${r.slug}`}>
              {t.registry.test}
            </Button>
            <Button icon="edit" onClick={() => setAsked("edit")} aria-label={`${common.edit}: ${r.slug}`}>
              {common.edit}
            </Button>
            <Button icon="trash" onClick={() => setAsked("delete")} aria-label={`${common.remove}: ${r.slug}`}>
              {common.remove}
            </Button>
          </span>
        )}
        <Dialog open={asked === "edit"} title={t.registry.edit} onClose={() => setAsked(null)}>
          <Edit registry={r} onClose={() => setAsked(null)} />
        </Dialog>
        <ConfirmDialog open={asked === "delete"} title={t.registry.deleteTitle(r.slug)} action={common.remove} busy={remove.isPending} error={remove.error} onConfirm={() => remove.mutate()} onClose={() => setAsked(null)}>
          <p>{t.registry.deleteWhat}</p>
        </ConfirmDialog>
      </td>
    </tr>
  );
}

interface Fields {
  type: Type;
  url: string;
  slug: string;
  username: string;
  password: string;
}

function Edit({ registry: r, onClose }: { registry: RegistryCredential | null; onClose: () => void }) {
  const [form, setForm] = useState<Fields>({ type: r?.registry_type ?? "DOCKER_HUB", url: r?.url ?? "", slug: r?.slug ?? "", username: r?.username ?? "", password: "" });
  const ownPlace = OWN_PLACE.includes(form.type);
  const save = useMutation({
    mutationFn: async () => {
      const shared = { username: form.username, slug: form.slug, ...(ownPlace ? {} : { url: form.url }) };
      if (r) await data(api.PATCH("/api/registries/credentials/{id}/", { params: { path: { id: r.id } }, body: { ...shared, ...(form.password ? { password: form.password } : {}) } }));
      else await data(api.POST("/api/registries/credentials/", { body: { ...shared, registry_type: form.type, password: form.password } }));
    },
    onSuccess: async () => {
      await refresh();
      onClose();
    },
  });
  const field = fieldsOf(form, setForm, save.error);

  return (
    <Form error={save.error} fields={["registry_type", "url", "slug", "username", "password"]} onSubmit={() => save.mutate()} className="text-left">
      {!r && (
        <SelectField label={t.registry.type} value={form.type} onChange={(e) => setForm({ ...form, type: TYPES.find((x) => x === e.target.value) ?? "GENERIC" })} choices={TYPES.map((x) => ({ value: x, label: t.registry.types[x] }))} errors={errorsOf(save.error, "registry_type")} />
      )}
      {!ownPlace && <TextField label={t.registry.url} mono inputMode="url" {...field("url")} />}
      <TextField label={t.registry.name} mono hint={t.registry.nameHint} {...field("slug")} />
      <TextField label={t.registry.username} autoCapitalize="none" {...field("username")} />
      <TextField label={t.registry.password} type="password" autoComplete="off" hint={r ? t.registry.passwordKept : t.registry.tried} {...field("password")} />
      <FormActions onClose={onClose} action={common.save} busy={save.isPending} />
    </Form>
  );
}
