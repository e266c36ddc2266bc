import { useMutation } from "@tanstack/react-query";
import { useState } from "react";
import { api, data } from "~/api/client";
import { keys } from "~/api/keys";
import { queryClient } from "~/api/query";
import type { User } from "~/api/types";
import { useMe } from "~/features/auth/me";
import { account as t } from "~/text/account";
import { common } from "~/text/common";
import { Button } from "~/ui/button";
import { TextField } from "~/ui/field";
import { fieldsOf, Form } from "~/ui/form";
import { Panel } from "~/ui/layout";
import { Loaded } from "~/ui/states";
import { toast } from "~/ui/toast";

export function Profile() {
  return <Loaded query={useMe()}>{(me) => <ProfileForm user={me.user} />}</Loaded>;
}

function ProfileForm({ user }: { user: User }) {
  const [form, setForm] = useState({ username: user.username, first_name: user.first_name, last_name: user.last_name });
  const save = useMutation({
    mutationFn: () => data(api.PATCH("/api/auth/update-profile/", { body: form })),
    onSuccess: () => {
      toast(t.saved);
      return queryClient.invalidateQueries({ queryKey: keys.me });
    },
  });
  const field = fieldsOf(form, setForm, save.error);

  return (
    <div className="max-w-xl">
      <Panel title={t.profile}>
        <Form error={save.error} fields={["username", "first_name", "last_name"]} onSubmit={() => save.mutate()}>
          <TextField label={t.username} autoComplete="username" autoCapitalize="none" {...field("username")} />
          <TextField label={t.first} optional autoComplete="given-name" {...field("first_name")} />
          <TextField label={t.last} optional autoComplete="family-name" {...field("last_name")} />
          <div>
            <Button type="submit" tone="primary" busy={save.isPending}>
              {common.save}
            </Button>
          </div>
        </Form>
      </Panel>
    </div>
  );
}
