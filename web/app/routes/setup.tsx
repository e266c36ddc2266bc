import { useMutation, useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { useNavigate } from "react-router";
import { api, data } from "~/api/client";
import { keys } from "~/api/keys";
import { queryClient } from "~/api/query";
import { AuthFrame } from "~/features/auth/frame";
import { paths } from "~/paths";
import { auth } from "~/text/auth";
import { Button, ButtonLink } from "~/ui/button";
import { TextField } from "~/ui/field";
import { fieldsOf, Form } from "~/ui/form";

const FIELDS = ["setup_token", "username", "password", "workspace_name"] as const;

/** The first administrator; a token in the address (?token=) fills the field. */
export default function Setup() {
  const navigate = useNavigate();
  const exists = useQuery({ queryKey: keys.userExists, queryFn: ({ signal }) => data(api.GET("/api/auth/check-user-existence/", { signal })) });
  const [form, setForm] = useState(() => ({
    setup_token: new URLSearchParams(window.location.hash.slice(1)).get("token") ?? "",
    username: "",
    password: "",
    workspace_name: "",
  }));
  const create = useMutation({
    mutationFn: async () => {
      const { workspace_name, ...rest } = form;
      await data(api.POST("/api/auth/create-initial-user/", { body: workspace_name ? { ...rest, workspace_name } : rest }));
    },
    onSuccess: async () => {
      queryClient.clear();
      await navigate(paths.welcome, { replace: true });
    },
  });
  const field = fieldsOf(form, setForm, create.error);

  if (exists.data?.exists && !create.isSuccess)
    return (
      <AuthFrame title={auth.setup.title} lead={auth.setup.done}>
        <div className="grid">
          <ButtonLink tone="primary" to={paths.login}>
            {auth.login.action}
          </ButtonLink>
        </div>
      </AuthFrame>
    );
  return (
    <AuthFrame title={auth.setup.title} lead={auth.setup.lead}>
      <Form error={create.error} fields={FIELDS} onSubmit={() => create.mutate()}>
        <TextField label={auth.setup.token} mono hint={auth.setup.tokenHint} {...field("setup_token")} />
        <TextField label={auth.setup.username} autoComplete="username" autoCapitalize="none" {...field("username")} />
        <TextField label={auth.setup.password} type="password" autoComplete="new-password" hint={auth.setup.passwordHint} {...field("password")} />
        <TextField label={auth.setup.workspace} optional hint={auth.setup.workspaceHint} {...field("workspace_name")} />
        <Button type="submit" tone="primary" busy={create.isPending}>
          {auth.setup.action}
        </Button>
      </Form>
    </AuthFrame>
  );
}
