import { useState } from "react";
import type { ServicePath } from "~/api/keys";
import { useRegenerateToken } from "~/api/service";
import { service as t } from "~/text/service";
import { Button } from "~/ui/button";
import { CopyButton } from "~/ui/copy";
import { ConfirmDialog } from "~/ui/dialog";
import { Panel } from "~/ui/layout";
import { toast } from "~/ui/toast";

/** The address that deploys this service without a login; covered until it is wanted. */
export function Webhook({ path, token }: { path: ServicePath; token: string }) {
  const [shown, setShown] = useState(false);
  const [asked, setAsked] = useState(false);
  const regenerate = useRegenerateToken(path);
  const command = `curl -X PUT ${window.location.origin}/api/deploy-service/docker/${token}/`;

  return (
    <Panel
      title={t.webhook.title}
      lead={t.webhook.lead}
      actions={
        <Button icon="refresh" onClick={() => setAsked(true)}>
          {t.webhook.regenerate}
        </Button>
      }
    >
      {shown ? (
        <div className="flex items-start gap-1 rounded-md bg-sunken p-2">
          <code className="min-w-0 flex-1 text-sm break-all">{command}</code>
          <CopyButton text={command} />
        </div>
      ) : (
        <Button icon="key" onClick={() => setShown(true)}>
          {t.webhook.show}
        </Button>
      )}
      <ConfirmDialog
        open={asked}
        title={t.webhook.regenerate}
        action={t.webhook.regenerate}
        busy={regenerate.isPending}
        error={regenerate.error}
        onClose={() => setAsked(false)}
        onConfirm={() =>
          regenerate.mutate(undefined, {
            onSuccess: () => {
              setAsked(false);
              toast(t.webhook.done);
            },
          })
        }
      >
        <p>{t.webhook.confirm}</p>
      </ConfirmDialog>
    </Panel>
  );
}
