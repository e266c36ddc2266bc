import { useMutation, useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { Navigate, useLocation, useNavigate } from "react-router";
import { api, data } from "~/api/client";
import { ApiError, asApiError } from "~/api/error";
import { keys } from "~/api/keys";
import { queryClient } from "~/api/query";
import { AuthFrame } from "~/features/auth/frame";
import { nextPath, paths } from "~/paths";
import { auth } from "~/text/auth";
import { Button } from "~/ui/button";
import { TextField } from "~/ui/field";
import { errorsOf, Form } from "~/ui/form";

interface Credentials {
  username: string;
  password: string;
  totp_code?: string;
  recovery_code?: string;
}

/** What the API says in general becomes what this form says. */
async function logIn(body: Credentials): Promise<void> {
  try {
    await data(api.POST("/api/auth/login/", { body }));
  } catch (e) {
    const error = asApiError(e);
    if (!error.has("authentication_failed")) throw error;
    const detail = body.totp_code || body.recovery_code ? auth.second.wrong : auth.login.wrong;
    throw new ApiError({ status: error.status, trouble: "refused", errors: [{ code: "authentication_failed", detail, attr: null }] });
  }
}

export default function Login() {
  const navigate = useNavigate();
  const { search } = useLocation();
  const exists = useQuery({ queryKey: keys.userExists, queryFn: ({ signal }) => data(api.GET("/api/auth/check-user-existence/", { signal })) });
  const [who, setWho] = useState({ username: "", password: "" });
  const [second, setSecond] = useState(false);
  const login = useMutation({
    mutationFn: logIn,
    onSuccess: async () => {
      queryClient.clear();
      await navigate(nextPath(search), { replace: true });
    },
    onError: (e) => {
      if (asApiError(e).has("totp_required")) setSecond(true);
    },
  });

  if (exists.data && !exists.data.exists) return <Navigate to={paths.setup} replace />;
  if (second)
    return (
      <SecondFactor
        error={login.error && !asApiError(login.error).has("totp_required") ? login.error : null}
        busy={login.isPending}
        onCode={(code) => login.mutate({ ...who, ...code })}
        onBack={() => {
          setSecond(false);
          login.reset();
        }}
      />
    );
  return (
    <AuthFrame title={auth.login.title}>
      <Form error={login.error} fields={["username", "password"]} onSubmit={() => login.mutate(who)}>
        <TextField label={auth.login.username} autoComplete="username" autoCapitalize="none" value={who.username} onChange={(e) => setWho({ ...who, username: e.target.value })} errors={errorsOf(login.error, "username")} />
        <TextField
          label={auth.login.password}
          type="password"
          autoComplete="current-password"
          value={who.password}
          onChange={(e) => setWho({ ...who, password: e.target.value })}
          errors={errorsOf(login.error, "password")}
        />
        <Button type="submit" tone="primary" busy={login.isPending}>
          {auth.login.action}
        </Button>
        <p className="text-sm text-muted">{auth.login.forgotten}</p>
      </Form>
    </AuthFrame>
  );
}

function SecondFactor({ error, busy, onCode, onBack }: { error: Error | null; busy: boolean; onCode: (code: { totp_code: string } | { recovery_code: string }) => void; onBack: () => void }) {
  const [recovery, setRecovery] = useState(false);
  const [code, setCode] = useState("");
  const field = recovery ? "recovery_code" : "totp_code";

  return (
    <AuthFrame title={auth.second.title} lead={auth.second.lead}>
      <Form error={error} fields={[field]} onSubmit={() => onCode(recovery ? { recovery_code: code.trim() } : { totp_code: code.replaceAll(" ", "") })}>
        <TextField
          key={field}
          // eslint-disable-next-line jsx-a11y/no-autofocus -- the one field of a step that was just asked for
          autoFocus
          label={recovery ? auth.second.recovery : auth.second.code}
          mono
          autoComplete="one-time-code"
          inputMode={recovery ? "text" : "numeric"}
          value={code}
          onChange={(e) => setCode(e.target.value)}
          errors={errorsOf(error, field)}
        />
        <Button type="submit" tone="primary" busy={busy}>
          {auth.login.action}
        </Button>
        <div className="flex flex-wrap justify-between gap-2">
          <Button
            tone="quiet"
            onClick={() => {
              setRecovery(!recovery);
              setCode("");
            }}
          >
            {recovery ? auth.second.useCode : auth.second.useRecovery}
          </Button>
          <Button tone="quiet" onClick={onBack}>
            {auth.second.back}
          </Button>
        </div>
      </Form>
    </AuthFrame>
  );
}
