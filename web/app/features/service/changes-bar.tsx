/* What was asked for and waits: how much, what exactly, away with it, or out with it. */
import { useState } from "react";
import { useNavigate } from "react-router";
import type { ServicePath } from "~/api/keys";
import { after } from "~/api/query";
import { useCancelChange, useDeploy } from "~/api/service";
import type { Service } from "~/api/types";
import { paths } from "~/paths";
import { common } from "~/text/common";
import { service as t } from "~/text/service";
import { Button } from "~/ui/button";
import { ChangeView } from "~/ui/change-view";
import { Dialog, DialogActions } from "~/ui/dialog";
import { TextField } from "~/ui/field";
import { errorsOf, Form } from "~/ui/form";
import { Icon } from "~/ui/icons";
import { Notice } from "~/ui/notice";

/** Whether the old version is stopped before the new one starts. */
export function isStopFirst(s: Service): boolean {
  const added = s.unapplied_changes.some((c) => c.type === "ADD" && (c.field === "ports" || c.field === "volumes"));
  return added || s.ports.length > 0 || s.volumes.some((v) => v.mode === "READ_WRITE");
}

export function ChangesBar({ path, service: s }: { path: ServicePath; service: Service }) {
  const [open, setOpen] = useState(false);

  return (
    <div role="status" className="sticky top-12 z-20 flex flex-wrap items-center gap-3 rounded-lg border border-accent bg-accent-soft px-4 py-2">
      <Icon name="edit" className="size-4 shrink-0 text-accent" />
      <p className="min-w-0 flex-1 basis-48 font-medium">{t.changes.waiting(s.unapplied_changes.length)}</p>
      <Button tone="primary" onClick={() => setOpen(true)}>
        {t.changes.review}
      </Button>
      <Dialog open={open} wide title={t.changes.title} onClose={() => setOpen(false)}>
        <Review path={path} service={s} onClose={() => setOpen(false)} />
      </Dialog>
    </div>
  );
}

function Review({ path, service: s, onClose }: { path: ServicePath; service: Service; onClose: () => void }) {
  const navigate = useNavigate();
  const cancel = useCancelChange(path);
  const deploy = useDeploy(path);
  const [message, setMessage] = useState("");

  const discardAll = async () => {
    // The newest first: what was asked for later may rest on what was asked for before.
    for (const c of s.unapplied_changes.toReversed()) await cancel.mutateAsync(c.id);
    onClose();
  };
  return (
    <Form
      error={deploy.error}
      fields={["commit_message"]}
      onSubmit={() =>
        after(deploy.mutateAsync(message), (d) => {
          onClose();
          return navigate(paths.deployment(path, d.hash));
        })
      }
    >
      {cancel.error && (
        <Notice tone="bad" role="alert">
          {cancel.error.message}
        </Notice>
      )}
      <div className="grid max-h-[45dvh] gap-2 overflow-y-auto">
        {s.unapplied_changes.length === 0 && <p className="text-muted">{t.changes.none}</p>}
        {s.unapplied_changes.map((c) => (
          <ChangeView
            key={c.id}
            change={c}
            actions={
              <Button tone="quiet" icon="trash" className="min-h-7" busy={cancel.isPending && cancel.variables === c.id} onClick={() => cancel.mutate(c.id)}>
                {t.changes.discard}
              </Button>
            }
          />
        ))}
      </div>
      <Notice tone={isStopFirst(s) ? "warn" : "info"}>{isStopFirst(s) ? t.changes.stopFirst : t.changes.zeroDowntime}</Notice>
      <TextField label={t.changes.message} optional hint={t.changes.messageHint} maxLength={2000} value={message} onChange={(e) => setMessage(e.target.value)} errors={errorsOf(deploy.error, "commit_message")} />
      <DialogActions>
        <Button tone="quiet" icon="trash" busy={cancel.isPending} onClick={() => void discardAll().catch(() => undefined)}>
          {t.changes.discardAll}
        </Button>
        <Button onClick={onClose}>{common.close}</Button>
        <Button type="submit" tone="primary" icon="play" busy={deploy.isPending}>
          {t.changes.deployAll}
        </Button>
      </DialogActions>
    </Form>
  );
}
