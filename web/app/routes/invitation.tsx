import { useMutation, useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { useNavigate, useParams } from "react-router";
import { api, data } from "~/api/client";
import { ApiError } from "~/api/error";
import { queryClient } from "~/api/query";
import { AuthFrame } from "~/features/auth/frame";
import { useMe } from "~/features/auth/me";
import { paths } from "~/paths";
import { auth } from "~/text/auth";
import { Button, ButtonLink } from "~/ui/button";
import { TextField } from "~/ui/field";
import { errorsOf, Form } from "~/ui/form";
import { Failed, Skeleton } from "~/ui/states";

/** What the holder of a link sees: join with the account that they have, or make one. */
export default function Invitation() {
  const { token = "" } = useParams();
  const found = useQuery({
    queryKey: ["invitation", token],
    queryFn: ({ signal }) => data(api.GET("/api/workspace/invitations/{token}/", { params: { path: { token } }, signal })),
  });

  if (found.error)
    return (
      <AuthFrame title={auth.invitation.title}>
        {found.error instanceof ApiError && found.error.status === 404 ? <p>{auth.invitation.gone}</p> : <Failed error={found.error} onRetry={() => void found.refetch()} />}
      </AuthFrame>
    );
  if (!found.data)
    return (
      <AuthFrame title={auth.invitation.title}>
        <Skeleton className="h-24 w-full" />
      </AuthFrame>
    );
  return (
    <AuthFrame title={auth.invitation.title} lead={auth.invitation.lead(found.data.workspace.name, found.data.username)}>
      {found.data.has_existing_account ? <Accept token={token} username={found.data.username} /> : <Register token={token} username={found.data.username} />}
    </AuthFrame>
  );
}

function useEnter() {
  const navigate = useNavigate();
  return async () => {
    queryClient.clear();
    await navigate(paths.home, { replace: true });
  };
}

function Accept({ token, username }: { token: string; username: string }) {
  const me = useMe();
  const enter = useEnter();
  const accept = useMutation({
    mutationFn: () => data(api.POST("/api/workspace/invitations/{token}/accept/", { params: { path: { token } } })),
    onSuccess: enter,
  });
  const loginPath = `${paths.login}?next=${encodeURIComponent(paths.invitation(token))}`;

  if (me.data?.user.username === username)
    return (
      <Form error={accept.error} onSubmit={() => accept.mutate()}>
        <Button type="submit" tone="primary" busy={accept.isPending}>
          {auth.invitation.accept}
        </Button>
      </Form>
    );
  return (
    <div className="grid gap-3">
      {me.data && <p>{auth.invitation.asOther(username)}</p>}
      <ButtonLink tone="primary" to={loginPath}>
        {auth.invitation.login}
      </ButtonLink>
    </div>
  );
}

function Register({ token, username }: { token: string; username: string }) {
  const [password, setPassword] = useState("");
  const enter = useEnter();
  const register = useMutation({
    mutationFn: () => data(api.POST("/api/workspace/register/{token}/", { params: { path: { token } }, body: { password } })),
    onSuccess: enter,
  });
  return (
    <Form error={register.error} fields={["password"]} onSubmit={() => register.mutate()}>
      <input type="text" hidden readOnly autoComplete="username" value={username} />
      <TextField
        label={auth.invitation.password}
        type="password"
        autoComplete="new-password"
        hint={auth.setup.passwordHint}
        value={password}
        onChange={(e) => setPassword(e.target.value)}
        errors={errorsOf(register.error, "password")}
      />
      <Button type="submit" tone="primary" busy={register.isPending}>
        {auth.invitation.create}
      </Button>
    </Form>
  );
}
