import { useMutation } from "@tanstack/react-query";
import { useState } from "react";
import { useNavigate } from "react-router";
import { api, data } from "~/api/client";
import { queryClient } from "~/api/query";
import { atLeast, role, useMe } from "~/features/auth/me";
import { paths } from "~/paths";
import { common } from "~/text/common";
import { workspace as t } from "~/text/workspace";
import { Button } from "~/ui/button";
import { ConfirmDialog } from "~/ui/dialog";
import { TextField } from "~/ui/field";
import { errorsOf, Form } from "~/ui/form";
import { Panel } from "~/ui/layout";
import { toast } from "~/ui/toast";
import { useProjects } from "./queries";

export function WorkspaceSettings() {
  const me = useMe();
  const w = me.data?.membership?.workspace;

  if (!w) return null;
  return (
    <div className="grid max-w-2xl gap-4">
      {atLeast(me.data, role.owner) ? (
        <>
          <Rename key={w.id} name={w.name} />
          <Delete name={w.name} />
        </>
      ) : (
        <Leave />
      )}
    </div>
  );
}

function Rename({ name }: { name: string }) {
  const [value, setValue] = useState(name);
  const save = useMutation({
    mutationFn: () => data(api.PUT("/api/workspace/", { body: { name: value } })),
    onSuccess: () => {
      toast(t.rename.done);
      return queryClient.invalidateQueries();
    },
  });
  return (
    <Panel title={t.rename.title}>
      <Form error={save.error} fields={["name"]} onSubmit={() => save.mutate()}>
        <TextField label={t.rename.label} value={value} onChange={(e) => setValue(e.target.value)} errors={errorsOf(save.error, "name")} />
        <div>
          <Button type="submit" tone="primary" busy={save.isPending}>
            {common.save}
          </Button>
        </div>
      </Form>
    </Panel>
  );
}

function useGone() {
  const navigate = useNavigate();
  return async () => {
    await navigate(paths.home);
    await queryClient.resetQueries();
  };
}

function Leave() {
  const [asked, setAsked] = useState(false);
  const leave = useMutation({ mutationFn: () => data(api.POST("/api/workspace/leave/")), onSuccess: useGone() });

  return (
    <Panel title={t.leave} tone="danger">
      <p className="mb-3">{t.leaveWhat}</p>
      <Button onClick={() => setAsked(true)}>{t.leave}</Button>
      <ConfirmDialog open={asked} title={t.leaveTitle} action={t.leave} busy={leave.isPending} error={leave.error} onConfirm={() => leave.mutate()} onClose={() => setAsked(false)}>
        <p>{t.leaveWhat}</p>
      </ConfirmDialog>
    </Panel>
  );
}

function Delete({ name }: { name: string }) {
  const [asked, setAsked] = useState(false);
  const projects = useProjects();
  const remove = useMutation({ mutationFn: () => data(api.DELETE("/api/workspace/")), onSuccess: useGone() });

  return (
    <Panel title={t.archive.title} tone="danger">
      <p className="mb-3">{t.archive.what}</p>
      <Button tone="danger" onClick={() => setAsked(true)}>
        {t.archive.action}
      </Button>
      <ConfirmDialog open={asked} title={t.archive.title} name={name} action={t.archive.action} busy={remove.isPending} error={remove.error} onConfirm={() => remove.mutate()} onClose={() => setAsked(false)}>
        <p>{t.archive.what}</p>
        <p>{projects.data?.length ? t.archive.projects : t.archive.none}</p>
        <ul className="max-h-40 list-disc overflow-y-auto pl-5">
          {projects.data?.map((p) => (
            <li key={p.id}>{p.slug}</li>
          ))}
        </ul>
      </ConfirmDialog>
    </Panel>
  );
}
