import { useMutation } from "@tanstack/react-query";
import { useState } from "react";
import { api, data } from "~/api/client";
import type { ServicePath } from "~/api/keys";
import { useDeployment, useService } from "~/api/service";
import { Progress } from "~/features/deployment/progress";
import { createService, FIELDS } from "~/features/service/create";
import { paths } from "~/paths";
import { service as t } from "~/text/service";
import { Button, ButtonLink } from "~/ui/button";
import { TextField } from "~/ui/field";
import { errorsOf, Form } from "~/ui/form";
import { Page, Panel } from "~/ui/layout";
import { Notice } from "~/ui/notice";
import { Loaded } from "~/ui/states";

const EXAMPLE = { image: "nginx:1.27-alpine", name: "hello", credentials: "", port: "80", domain: "", env: "" };

async function start(project: string, image: string, port: string): Promise<{ path: ServicePath; hash: string }> {
  const made = await data(api.POST("/api/projects/", { body: { slug: project } }));
  const { path, hash } = await createService({ project: made.slug, env: "production" }, { ...EXAMPLE, image, port }, true);
  return { path, hash: hash ?? "" };
}

/** The first deployment, with a guide. */
export default function Welcome() {
  const [form, setForm] = useState({ project: "first", image: EXAMPLE.image, port: EXAMPLE.port });
  const run = useMutation({ mutationFn: () => start(form.project, form.image, form.port) });

  return (
    <Page title={t.welcome.title} lead={t.welcome.lead} actions={<ButtonLink to={paths.home}>{t.welcome.skip}</ButtonLink>}>
      <div className="grid max-w-2xl gap-4">
        {run.data ? (
          <Follow path={run.data.path} hash={run.data.hash} />
        ) : (
          <Panel>
            <Form error={run.error} fields={[...FIELDS, "new_value.associated_port"]} onSubmit={() => run.mutate()}>
              <TextField label={t.welcome.project} hint={t.welcome.projectHint} mono value={form.project} onChange={(e) => setForm({ ...form, project: e.target.value })} errors={errorsOf(run.error, "slug")} />
              <TextField label={t.newService.image} hint={t.newService.imageHint} mono value={form.image} onChange={(e) => setForm({ ...form, image: e.target.value })} errors={errorsOf(run.error, "image")} />
              <TextField label={t.newService.port} inputMode="numeric" value={form.port} onChange={(e) => setForm({ ...form, port: e.target.value.replaceAll(/\D/g, "") })} errors={errorsOf(run.error, "new_value.associated_port")} />
              <div>
                <Button type="submit" tone="primary" icon="play" busy={run.isPending}>
                  {t.welcome.action}
                </Button>
              </div>
            </Form>
          </Panel>
        )}
      </div>
    </Page>
  );
}

function Follow({ path, hash }: { path: ServicePath; hash: string }) {
  const found = useDeployment(path, hash);
  const service = useService(path);
  const url = service.data?.urls[0];

  return (
    <Loaded query={found}>
      {(d) => (
        <>
          {d.status === "HEALTHY" && (
            <Notice
              tone="ok"
              role="status"
              title={t.welcome.done(path.service)}
              actions={
                <span className="flex flex-wrap gap-2">
                  {url && (
                    <a href={`//${url.domain}`} target="_blank" rel="noreferrer" className="font-semibold underline">
                      {t.welcome.open}
                    </a>
                  )}
                </span>
              }
            >
              {url && <p className="break-all">{url.domain}</p>}
            </Notice>
          )}
          {d.status === "FAILED" && (
            <Notice tone="bad" role="status">
              {t.welcome.failed}
            </Notice>
          )}
          <Progress path={path} deployment={d} />
          <div className="flex flex-wrap gap-2">
            <ButtonLink to={paths.service(path)} tone="primary">
              {t.welcome.look}
            </ButtonLink>
            <ButtonLink to={paths.service(path, "logs")}>{t.welcome.logs}</ButtonLink>
          </div>
        </>
      )}
    </Loaded>
  );
}
