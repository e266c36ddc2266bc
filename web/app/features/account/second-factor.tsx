import { useMutation, useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { api, data } from "~/api/client";
import { keys } from "~/api/keys";
import { queryClient } from "~/api/query";
import { account as t } from "~/text/account";
import { Button } from "~/ui/button";
import { CopyButton, CopyText } from "~/ui/copy";
import { Dialog, DialogActions, FormActions } from "~/ui/dialog";
import { TextField } from "~/ui/field";
import { errorsOf, Form } from "~/ui/form";
import { Panel } from "~/ui/layout";
import { Loaded } from "~/ui/states";
import { toast } from "~/ui/toast";
import { Qr } from "./qr";

type Asked = "begin" | "renew" | "disable" | null;

function refresh(): Promise<void> {
  return queryClient.invalidateQueries({ queryKey: keys.account("totp") });
}

function digits(text: string): string {
  return text.replaceAll(/\D/g, "").slice(0, 6);
}

export function SecondFactor() {
  const state = useQuery({ queryKey: keys.account("totp"), queryFn: ({ signal }) => data(api.GET("/api/auth/totp/", { signal })) });
  const [asked, setAsked] = useState<Asked>(null);
  const close = () => setAsked(null);

  return (
    <Panel title={t.totp.title}>
      <Loaded query={state}>
        {(s) => (
          <div className="grid gap-3">
            <p>{s.enabled ? t.totp.on(s.recovery_codes_left) : t.totp.off}</p>
            <div className="flex flex-wrap gap-2">
              {s.enabled ? (
                <>
                  <Button icon="key" onClick={() => setAsked("renew")}>
                    {t.totp.renew}
                  </Button>
                  <Button onClick={() => setAsked("disable")}>{t.totp.disable}</Button>
                </>
              ) : (
                <Button tone="primary" icon="key" onClick={() => setAsked("begin")}>
                  {t.totp.begin}
                </Button>
              )}
            </div>
          </div>
        )}
      </Loaded>
      <Dialog open={asked === "begin"} title={t.totp.beginTitle} onClose={close}>
        <Begin onClose={close} />
      </Dialog>
      <Dialog open={asked === "renew"} title={t.totp.renew} onClose={close}>
        <Renew onClose={close} />
      </Dialog>
      <Dialog open={asked === "disable"} title={t.totp.disableTitle} onClose={close}>
        <Disable onClose={close} />
      </Dialog>
    </Panel>
  );
}

function Begin({ onClose }: { onClose: () => void }) {
  const [password, setPassword] = useState("");
  const begin = useMutation({ mutationFn: () => data(api.POST("/api/auth/totp/begin/", { body: { password } })) });

  if (begin.data) return <Confirm secret={begin.data.secret} uri={begin.data.uri} onClose={onClose} />;
  return (
    <Form error={begin.error} fields={["password"]} onSubmit={() => begin.mutate()}>
      <TextField label={t.totp.password} type="password" autoComplete="current-password" value={password} onChange={(e) => setPassword(e.target.value)} errors={errorsOf(begin.error, "password")} />
      <FormActions onClose={onClose} action={t.totp.next} busy={begin.isPending} />
    </Form>
  );
}

function Confirm({ secret, uri, onClose }: { secret: string; uri: string; onClose: () => void }) {
  const [code, setCode] = useState("");
  const confirm = useMutation({
    mutationFn: () => data(api.POST("/api/auth/totp/confirm/", { body: { code } })),
    onSuccess: () => {
      toast(t.totp.enabled);
      return refresh();
    },
  });

  if (confirm.data) return <Codes codes={confirm.data.recovery_codes} onClose={onClose} />;
  return (
    <Form error={confirm.error} fields={["code"]} onSubmit={() => confirm.mutate()}>
      <p>{t.totp.scan}</p>
      <div className="flex flex-wrap items-center gap-4">
        <Qr text={uri} label={t.totp.qr} />
        <div className="min-w-0 flex-1 basis-40">
          <p className="text-sm text-muted">{t.totp.secret}</p>
          <CopyText text={secret} />
        </div>
      </div>
      <TextField label={t.totp.code} mono inputMode="numeric" autoComplete="one-time-code" value={code} onChange={(e) => setCode(digits(e.target.value))} errors={errorsOf(confirm.error, "code")} />
      <FormActions onClose={onClose} action={t.totp.confirm} busy={confirm.isPending} />
    </Form>
  );
}

function Codes({ codes, onClose }: { codes: readonly string[]; onClose: () => void }) {
  const text = codes.join("\n");
  return (
    <>
      <p>{t.totp.codesWhat}</p>
      <ul aria-label={t.totp.codesTitle} className="grid grid-cols-2 gap-1 rounded-md bg-sunken p-3 font-mono text-sm">
        {codes.map((c) => (
          <li key={c}>{c}</li>
        ))}
      </ul>
      <DialogActions>
        <CopyButton text={text} />
        <a href={`data:text/plain;charset=utf-8,${encodeURIComponent(`${text}\n`)}`} download={t.totp.file} className="inline-flex min-h-8 items-center rounded-md border border-line-strong px-3 text-sm font-medium hover:bg-sunken">
          {t.totp.download}
        </a>
        <Button tone="primary" onClick={onClose}>
          {t.totp.codesKept}
        </Button>
      </DialogActions>
    </>
  );
}

function Renew({ onClose }: { onClose: () => void }) {
  const [code, setCode] = useState("");
  const renew = useMutation({ mutationFn: () => data(api.POST("/api/auth/totp/recovery-codes/", { body: { code } })), onSuccess: refresh });

  if (renew.data) return <Codes codes={renew.data.recovery_codes} onClose={onClose} />;
  return (
    <Form error={renew.error} fields={["code"]} onSubmit={() => renew.mutate()}>
      <p>{t.totp.renewWhat}</p>
      <TextField label={t.totp.code} mono inputMode="numeric" autoComplete="one-time-code" value={code} onChange={(e) => setCode(digits(e.target.value))} errors={errorsOf(renew.error, "code")} />
      <FormActions onClose={onClose} action={t.totp.renew} busy={renew.isPending} />
    </Form>
  );
}

function Disable({ onClose }: { onClose: () => void }) {
  const [form, setForm] = useState({ password: "", code: "" });
  const disable = useMutation({
    mutationFn: () => data(api.POST("/api/auth/totp/disable/", { body: form })),
    onSuccess: async () => {
      toast(t.totp.disabled);
      await refresh();
      onClose();
    },
  });
  return (
    <Form error={disable.error} fields={["password", "code"]} onSubmit={() => disable.mutate()}>
      <p>{t.totp.disableWhat}</p>
      <TextField label={t.totp.password} type="password" autoComplete="current-password" value={form.password} onChange={(e) => setForm({ ...form, password: e.target.value })} errors={errorsOf(disable.error, "password")} />
      <TextField label={t.totp.code} mono inputMode="numeric" autoComplete="one-time-code" value={form.code} onChange={(e) => setForm({ ...form, code: digits(e.target.value) })} errors={errorsOf(disable.error, "code")} />
      <FormActions onClose={onClose} action={t.totp.disable} tone="danger" busy={disable.isPending} />
    </Form>
  );
}
