import { useMutation } from "@tanstack/react-query";
import { useState } from "react";
import { api, data } from "~/api/client";
import { keys } from "~/api/keys";
import { queryClient } from "~/api/query";
import { useMe } from "~/features/auth/me";
import { account as t } from "~/text/account";
import { Button } from "~/ui/button";
import { TextField } from "~/ui/field";
import { fieldsOf, Form } from "~/ui/form";
import { Panel } from "~/ui/layout";
import { toast } from "~/ui/toast";

const NONE = { current_password: "", new_password: "", confirm_password: "" };

export function Password() {
  const me = useMe();
  const [form, setForm] = useState(NONE);
  const change = useMutation({
    mutationFn: () => data(api.POST("/api/auth/change-password/", { body: form })),
    onSuccess: () => {
      setForm(NONE);
      toast(t.password.done);
      return queryClient.invalidateQueries({ queryKey: keys.account("sessions") });
    },
  });
  const field = fieldsOf(form, setForm, change.error);

  return (
    <Panel title={t.password.title} lead={t.password.what}>
      <Form error={change.error} fields={Object.keys(NONE)} onSubmit={() => change.mutate()}>
        <input type="text" hidden readOnly autoComplete="username" value={me.data?.user.username ?? ""} />
        <TextField label={t.password.current} type="password" autoComplete="current-password" {...field("current_password")} />
        <TextField label={t.password.next} type="password" autoComplete="new-password" hint={t.password.hint} {...field("new_password")} />
        <TextField label={t.password.again} type="password" autoComplete="new-password" {...field("confirm_password")} />
        <div>
          <Button type="submit" tone="primary" busy={change.isPending}>
            {t.password.action}
          </Button>
        </div>
      </Form>
    </Panel>
  );
}
