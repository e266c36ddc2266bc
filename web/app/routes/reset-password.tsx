import { useMutation } from "@tanstack/react-query";
import { useState } from "react";
import { useParams } from "react-router";
import { api, data } from "~/api/client";
import { ApiError } from "~/api/error";
import { AuthFrame } from "~/features/auth/frame";
import { paths } from "~/paths";
import { auth } from "~/text/auth";
import { Button, ButtonLink } from "~/ui/button";
import { TextField } from "~/ui/field";
import { fieldsOf, Form } from "~/ui/form";

/** A new password by a code that an administrator made. */
export default function ResetPassword() {
  const { token = "" } = useParams();
  const [form, setForm] = useState({ new_password: "", confirm_password: "" });
  const reset = useMutation({
    mutationFn: () => data(api.POST("/api/auth/reset-password/{token}/", { params: { path: { token } }, body: form })),
  });
  const field = fieldsOf(form, setForm, reset.error);
  const gone = reset.error instanceof ApiError && reset.error.status === 404;

  if (reset.isSuccess || gone)
    return (
      <AuthFrame title={auth.reset.title} lead={gone ? auth.reset.gone : auth.reset.done}>
        <div className="grid">
          <ButtonLink tone="primary" to={paths.login}>
            {auth.login.action}
          </ButtonLink>
        </div>
      </AuthFrame>
    );
  return (
    <AuthFrame title={auth.reset.title} lead={auth.reset.lead}>
      <Form error={reset.error} fields={["new_password", "confirm_password"]} onSubmit={() => reset.mutate()}>
        <TextField label={auth.reset.password} type="password" autoComplete="new-password" hint={auth.setup.passwordHint} {...field("new_password")} />
        <TextField label={auth.reset.confirm} type="password" autoComplete="new-password" {...field("confirm_password")} />
        <Button type="submit" tone="primary" busy={reset.isPending}>
          {auth.reset.action}
        </Button>
      </Form>
    </AuthFrame>
  );
}
