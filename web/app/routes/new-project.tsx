import { useState } from "react";
import { useNavigate } from "react-router";
import { atLeast, role, useMe } from "~/features/auth/me";
import { AdminsOnly } from "~/features/settings/denied";
import { useCreateProject } from "~/features/settings/places-data";
import { paths } from "~/paths";
import { places } from "~/text/places";
import { Button } from "~/ui/button";
import { TextArea, TextField } from "~/ui/field";
import { errorsOf, Form } from "~/ui/form";
import { Page, Panel } from "~/ui/layout";

const t = places.newProject;
const FIELDS = ["slug", "description"] as const;

export default function NewProject() {
  const navigate = useNavigate();
  const me = useMe();
  const [form, setForm] = useState({ slug: "", description: "" });
  const create = useCreateProject((slug) => void navigate(paths.project(slug)));

  return (
    <Page title={t.title} lead={t.lead}>
      {atLeast(me.data, role.admin) ? (
        <div className="max-w-xl">
          <Panel>
            <Form
              label={t.title}
              error={create.error}
              fields={FIELDS}
              onSubmit={() => create.mutate({ ...(form.slug.trim() ? { slug: form.slug.trim() } : {}), ...(form.description.trim() ? { description: form.description.trim() } : {}) })}
            >
              <TextField label={t.name} optional autoCapitalize="none" hint={t.nameHint} value={form.slug} onChange={(e) => setForm({ ...form, slug: e.target.value })} errors={errorsOf(create.error, "slug")} />
              <TextArea label={t.description} optional rows={3} value={form.description} onChange={(e) => setForm({ ...form, description: e.target.value })} errors={errorsOf(create.error, "description")} />
              <div>
                <Button type="submit" tone="primary" busy={create.isPending}>
                  {t.create}
                </Button>
              </div>
            </Form>
          </Panel>
        </div>
      ) : (
        <AdminsOnly />
      )}
    </Page>
  );
}
