import { useState } from "react";
import { Link, useNavigate } from "react-router";
import type { Project } from "~/api/types";
import { paths } from "~/paths";
import { common } from "~/text/common";
import { places } from "~/text/places";
import { Button } from "~/ui/button";
import { TextArea, TextField } from "~/ui/field";
import { errorsOf, Form } from "~/ui/form";
import { Icon } from "~/ui/icons";
import { Panel } from "~/ui/layout";
import { Loaded } from "~/ui/states";
import { toast } from "~/ui/toast";
import { ArchivePanel, DoomedEnvironments } from "./archive";
import { useArchiveProject, useChangeProject, useCreateEnvironment } from "./places-data";
import { useDoomedEnvironments } from "./removals";

const t = places.project;

export function ProjectGeneral({ project }: { project: Project }) {
  const navigate = useNavigate();
  const [form, setForm] = useState({ slug: project.slug, description: project.description ?? "" });
  const change = useChangeProject(project.slug, (slug) => {
    toast(t.saved);
    void navigate(paths.projectSettings(slug), { replace: true });
  });

  return (
    <Panel title={t.general}>
      <Form label={t.general} error={change.error} fields={["slug", "description"]} onSubmit={() => change.mutate(form)}>
        <TextField label={t.name} hint={t.nameHint} autoCapitalize="none" value={form.slug} onChange={(e) => setForm({ ...form, slug: e.target.value })} errors={errorsOf(change.error, "slug")} />
        <TextArea label={t.description} optional rows={3} value={form.description} onChange={(e) => setForm({ ...form, description: e.target.value })} errors={errorsOf(change.error, "description")} />
        <div>
          <Button type="submit" tone="primary" busy={change.isPending}>
            {common.save}
          </Button>
        </div>
      </Form>
    </Panel>
  );
}

export function Environments({ project }: { project: Project }) {
  return (
    <Panel title={t.environments} lead={t.environmentsLead}>
      <div className="grid grid-cols-1 gap-4">
        <ul className="grid divide-y divide-line rounded-md border border-line">
          {project.environments.map((e) => (
            <li key={e.id} className="flex items-center justify-between gap-2 px-3 py-1.5">
              <Link to={paths.project(project.slug, e.name)} className="font-medium hover:underline">
                {e.name}
              </Link>
              <Link to={paths.environment(project.slug, e.name, "settings")} aria-label={t.settingsOf(e.name)} className="inline-flex min-h-8 items-center gap-1 text-sm text-accent hover:underline">
                {places.environment.title}
                <Icon name="right" className="size-3.5" />
              </Link>
            </li>
          ))}
        </ul>
        <NewEnvironment project={project.slug} />
        <p className="text-sm text-muted">{t.clone}</p>
      </div>
    </Panel>
  );
}

function NewEnvironment({ project }: { project: string }) {
  const navigate = useNavigate();
  const [name, setName] = useState("");
  const create = useCreateEnvironment(project, (made) => void navigate(paths.project(project, made)));

  return (
    <Form label={t.newEnvironment} error={create.error} fields={["name"]} onSubmit={() => create.mutate(name.trim())}>
      <TextField label={t.environmentName} hint={t.environmentHint} autoCapitalize="none" value={name} onChange={(e) => setName(e.target.value)} errors={errorsOf(create.error, "name")} />
      <div>
        <Button type="submit" icon="plus" busy={create.isPending}>
          {t.createEnvironment}
        </Button>
      </div>
    </Form>
  );
}

export function ArchiveProject({ project }: { project: Project }) {
  const navigate = useNavigate();
  const archive = useArchiveProject(project.slug, () => {
    toast(t.archived(project.slug));
    void navigate(paths.home);
  });

  return (
    <ArchivePanel title={t.archive} lead={t.archiveLead} name={project.slug} mutation={archive}>
      <DoomedInProject project={project.slug} environments={project.environments.map((e) => e.name)} />
    </ArchivePanel>
  );
}

export function DoomedInProject({ project, environments }: { project: string; environments: readonly string[] }) {
  const doomed = useDoomedEnvironments(project, environments);
  return (
    <>
      <p>{places.doomed.lead}</p>
      <Loaded query={doomed}>{(all) => <DoomedEnvironments environments={all} />}</Loaded>
    </>
  );
}
