import { useMutation } from "@tanstack/react-query";
import { useState } from "react";
import { api, data } from "~/api/client";
import { queryClient } from "~/api/query";
import { shell as t } from "~/text/shell";
import { Button } from "~/ui/button";
import { TextField } from "~/ui/field";
import { errorsOf, Form } from "~/ui/form";
import { Page } from "~/ui/layout";
import { Empty } from "~/ui/states";

/** For somebody whose last workspace is gone. */
export function NoWorkspace({ superuser }: { superuser: boolean }) {
  const [name, setName] = useState("");
  const create = useMutation({
    mutationFn: () => data(api.POST("/api/workspaces/create/", { body: { name } })),
    onSuccess: () => queryClient.resetQueries(),
  });
  return (
    <Page title={t.noWorkspace.title}>
      <Empty icon="user" title={t.noWorkspace.title}>
        <p>{superuser ? t.noWorkspace.make : t.noWorkspace.what}</p>
        {superuser && <Form className="mt-4 text-left" error={create.error} fields={["name"]} onSubmit={() => create.mutate()}>
          <TextField label={t.noWorkspace.name} value={name} onChange={(e) => setName(e.target.value)} errors={errorsOf(create.error, "name")} />
          <Button tone="primary" type="submit" busy={create.isPending}>
            {t.noWorkspace.create}
          </Button>
        </Form>}
      </Empty>
    </Page>
  );
}
