/* What takes effect at once: name, automatic deployments, webhook, archiving. */
import { useState } from "react";
import { useNavigate } from "react-router";
import type { ServicePath } from "~/api/keys";
import { after } from "~/api/query";
import { useRegenerateToken } from "~/api/service";
import type { Service } from "~/api/types";
import { atLeast, role, useMe } from "~/features/auth/me";
import { paths } from "~/paths";
import { common } from "~/text/common";
import { places } from "~/text/places";
import { settings } from "~/text/settings";
import { Button } from "~/ui/button";
import { CopyButton, CopyText } from "~/ui/copy";
import { ConfirmDialog } from "~/ui/dialog";
import { CheckField, TextField } from "~/ui/field";
import { errorsOf, Form } from "~/ui/form";
import { Fact, Facts, Panel } from "~/ui/layout";
import { Secret } from "~/ui/secret";
import { Loaded } from "~/ui/states";
import { toast } from "~/ui/toast";
import { ArchivePanel, DoomedServiceFacts } from "./archive";
import { useArchiveService, usePatchService } from "./data";
import { useDoomedService } from "./removals";

interface Props {
  path: ServicePath;
  service: Service;
}

export function General({ path, service }: Props) {
  const t = settings.general;
  const navigate = useNavigate();
  const [slug, setSlug] = useState(service.slug);
  const rename = usePatchService(path, (s) => {
    toast(t.renamed);
    void navigate(paths.service({ ...path, service: s.slug }, "settings"), { replace: true });
  });

  return (
    <Panel id="general" title={t.title}>
      <div className="grid grid-cols-1 gap-4">
        <Form label={t.title} error={rename.error} fields={["slug"]} onSubmit={() => slug.trim() !== service.slug && rename.mutate({ slug: slug.trim() })}>
          <TextField label={t.name} hint={t.nameHint} autoCapitalize="none" value={slug} onChange={(e) => setSlug(e.target.value)} errors={errorsOf(rename.error, "slug")} />
          <div>
            <Button type="submit" busy={rename.isPending} aria-disabled={slug.trim() === service.slug}>
              {t.rename}
            </Button>
          </div>
        </Form>
        <Facts>
          <Fact term={t.alias}>
            <CopyText text={service.network_alias} />
            <p className="text-sm text-muted">{t.aliasHint}</p>
          </Fact>
          <Fact term={t.id}>
            <CopyText text={service.id} />
          </Fact>
        </Facts>
      </div>
    </Panel>
  );
}

export function Automatic({ path, service }: Props) {
  const t = settings.auto;
  const begin = {
    auto_deploy_enabled: service.auto_deploy_enabled,
    cleanup_queue_on_auto_deploy: service.cleanup_queue_on_auto_deploy,
    pr_preview_envs_enabled: service.pr_preview_envs_enabled,
    watch_paths: service.watch_paths ?? "",
  };
  const [form, setForm] = useState(begin);
  const save = usePatchService(path, () => toast(t.saved));
  const same = JSON.stringify(form) === JSON.stringify(begin);

  return (
    <Panel id="auto" title={t.title} lead={t.lead}>
      <Form
        label={t.title}
        error={save.error}
        fields={["watch_paths"]}
        onSubmit={() => {
          if (!same) save.mutate({ ...form, watch_paths: form.watch_paths.trim() || null });
        }}
      >
        <CheckField label={t.enabled} checked={form.auto_deploy_enabled} onChange={(e) => setForm({ ...form, auto_deploy_enabled: e.target.checked })} />
        <CheckField label={t.cleanup} checked={form.cleanup_queue_on_auto_deploy} onChange={(e) => setForm({ ...form, cleanup_queue_on_auto_deploy: e.target.checked })} />
        <CheckField label={t.previews} checked={form.pr_preview_envs_enabled} onChange={(e) => setForm({ ...form, pr_preview_envs_enabled: e.target.checked })} />
        <TextField label={t.watch} optional hint={t.watchHint} mono value={form.watch_paths} onChange={(e) => setForm({ ...form, watch_paths: e.target.value })} errors={errorsOf(save.error, "watch_paths")} />
        <div>
          <Button type="submit" aria-disabled={same} busy={save.isPending}>
            {common.save}
          </Button>
        </div>
      </Form>
    </Panel>
  );
}

export function Webhook({ path, service }: Props) {
  const t = settings.token;
  const [shown, setShown] = useState(false);
  const [asking, setAsking] = useState(false);
  const renew = useRegenerateToken(path);
  const address = service.deploy_token && `${window.location.origin}/api/deploy-service/docker/${service.deploy_token}/`;
  const curl = (url: string) => `curl -X PUT '${url}' -H 'Content-Type: application/json' -d '{"new_image": "app:2", "commit_message": "from the pipeline"}'`;

  return (
    <Panel
      id="webhook"
      title={t.title}
      lead={t.lead}
      actions={
        <Button icon="refresh" onClick={() => setAsking(true)}>
          {t.regenerate}
        </Button>
      }
    >
      {address ? (
        <Facts>
          <Fact term={t.address}>
            <Secret text={address} shown={shown} onShow={setShown} names={{ show: t.show, hide: t.hide, copy: t.copy }} />
          </Fact>
          <Fact term={t.curl}>
            <span className="flex items-start gap-1">
              <code className="min-w-0 flex-1 font-mono text-sm">{curl(shown ? address : "…")}</code>
              <CopyButton text={curl(address)} label={t.copyCurl} />
            </span>
            <p className="text-sm text-muted">{t.newImage}</p>
          </Fact>
        </Facts>
      ) : (
        <p className="text-muted">{t.none}</p>
      )}
      <ConfirmDialog
        open={asking}
        title={t.regenerateTitle}
        action={t.regenerate}
        busy={renew.isPending}
        error={renew.error}
        onConfirm={() =>
          after(renew.mutateAsync(), () => {
            setAsking(false);
            toast(t.regenerated);
          })
        }
        onClose={() => setAsking(false)}
      >
        <p>{t.regenerateLead}</p>
      </ConfirmDialog>
    </Panel>
  );
}

export function ArchiveService({ path, service }: Props) {
  const t = settings.archive;
  const me = useMe();
  const navigate = useNavigate();
  const archive = useArchiveService(path, () => {
    toast(t.archived(service.slug));
    void navigate(paths.environment(path.project, path.env));
  });

  if (!atLeast(me.data, role.admin))
    return (
      <Panel id="archive" title={t.title}>
        <p className="text-muted">{t.adminsOnly}</p>
      </Panel>
    );
  return (
    <ArchivePanel title={t.title} lead={t.lead} name={service.slug} mutation={archive}>
      <Doomed path={path} />
    </ArchivePanel>
  );
}

function Doomed({ path }: { path: ServicePath }) {
  const doomed = useDoomedService(path);
  return (
    <>
      <p>{places.doomed.lead}</p>
      <Loaded query={doomed}>{(s) => <DoomedServiceFacts service={s} />}</Loaded>
    </>
  );
}
