import { useMutation } from "@tanstack/react-query";
import { useState } from "react";
import { useNavigate, useParams } from "react-router";
import { useRegistries } from "~/api/registries";
import { createService, FIELDS, type NewService } from "~/features/service/create";
import { paths } from "~/paths";
import { service as t } from "~/text/service";
import { Button } from "~/ui/button";
import { SelectField, TextArea, TextField } from "~/ui/field";
import { errorsOf, Form } from "~/ui/form";
import { Page, Panel } from "~/ui/layout";

const SHOWN = [...FIELDS, "new_value.associated_port", "new_value.domain", "new_value"];

export default function NewServicePage() {
  const { project = "", env = "" } = useParams();
  const navigate = useNavigate();
  const registries = useRegistries();
  const [form, setForm] = useState<NewService>({ image: "", name: "", credentials: "", port: "", domain: "", env: "" });
  const create = useMutation({
    mutationFn: (deploy: boolean) => createService({ project, env }, form, deploy),
    onSuccess: ({ path, hash }) => navigate(hash ? paths.deployment(path, hash) : paths.service(path)),
  });
  const set = (part: Partial<NewService>) => setForm({ ...form, ...part });
  const wrong = (...names: string[]) => names.flatMap((n) => errorsOf(create.error, n));

  return (
    <Page title={t.newService.title} lead={`${project} / ${env}`}>
      <div className="max-w-2xl">
        <Panel>
          <Form error={create.error} fields={SHOWN} onSubmit={() => create.mutate(true)}>
            <TextField label={t.newService.image} hint={t.newService.imageHint} mono autoCapitalize="none" value={form.image} onChange={(e) => set({ image: e.target.value })} errors={wrong("image")} />
            <TextField label={t.newService.name} optional hint={t.newService.nameHint} mono autoCapitalize="none" maxLength={38} value={form.name} onChange={(e) => set({ name: e.target.value })} errors={wrong("slug")} />
            {registries.data && registries.data.length > 0 && (
              <SelectField
                label={t.newService.credentials}
                value={form.credentials}
                onChange={(e) => set({ credentials: e.target.value })}
                choices={[{ value: "", label: t.newService.noCredentials }, ...registries.data.map((r) => ({ value: r.id, label: `${r.slug} (${r.url})` }))]}
                errors={wrong("container_registry_credentials_id")}
              />
            )}
            <div className="grid gap-4 sm:grid-cols-2">
              <TextField label={t.newService.port} optional hint={t.newService.portHint} inputMode="numeric" value={form.port} onChange={(e) => set({ port: e.target.value.replaceAll(/\D/g, "") })} errors={wrong("new_value.associated_port")} />
              <TextField label={t.newService.domain} optional hint={t.newService.domainHint} disabled={!form.port} autoCapitalize="none" value={form.domain} onChange={(e) => set({ domain: e.target.value })} errors={wrong("new_value.domain")} />
            </div>
            <TextArea label={t.newService.env} optional hint={t.newService.envHint} mono rows={4} value={form.env} onChange={(e) => set({ env: e.target.value })} errors={wrong("new_value")} />
            <div className="flex flex-wrap gap-2">
              <Button type="submit" tone="primary" icon="play" busy={create.isPending && create.variables}>
                {t.newService.deploy}
              </Button>
              <Button busy={create.isPending && !create.variables} onClick={() => create.mutate(false)}>
                {t.newService.create}
              </Button>
            </div>
          </Form>
        </Panel>
      </div>
    </Page>
  );
}
