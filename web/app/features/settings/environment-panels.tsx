import { useState } from "react";
import { Link, useNavigate } from "react-router";
import { paths } from "~/paths";
import { places } from "~/text/places";
import { Button } from "~/ui/button";
import { CheckField, TextField } from "~/ui/field";
import { errorsOf, Form } from "~/ui/form";
import { Panel } from "~/ui/layout";
import { toast } from "~/ui/toast";
import { ArchivePanel } from "./archive";
import { useArchiveEnvironment, useCloneEnvironment, useRenameEnvironment } from "./places-data";
import { DoomedInProject } from "./project-panels";

const t = places.environment;
const PRODUCTION = "production";

interface Place {
  project: string;
  env: string;
}

export function EnvironmentName({ project, env }: Place) {
  const navigate = useNavigate();
  const [name, setName] = useState(env);
  const rename = useRenameEnvironment(project, env, (now) => {
    toast(t.renamed);
    void navigate(paths.environment(project, now, "settings"), { replace: true });
  });

  return (
    <Panel title={t.rename}>
      {env === PRODUCTION ? (
        <p className="text-muted">{t.production}</p>
      ) : (
        <Form label={t.rename} error={rename.error} fields={["name"]} onSubmit={() => rename.mutate(name.trim())}>
          <TextField label={t.name} autoCapitalize="none" hint={places.project.environmentHint} value={name} onChange={(e) => setName(e.target.value)} errors={errorsOf(rename.error, "name")} />
          <div>
            <Button type="submit" busy={rename.isPending}>
              {t.rename}
            </Button>
          </div>
        </Form>
      )}
    </Panel>
  );
}

export function CloneEnvironment({ project, env }: Place) {
  const navigate = useNavigate();
  const [form, setForm] = useState({ name: "", deploy_after_clone: false });
  const clone = useCloneEnvironment(project, env, (made) => {
    toast(t.cloned(made));
    void navigate(paths.project(project, made));
  });

  return (
    <Panel title={t.clone} lead={t.cloneLead}>
      <Form label={t.clone} error={clone.error} fields={["name"]} onSubmit={() => clone.mutate({ ...form, name: form.name.trim() })}>
        <ul className="list-disc pl-5 text-sm text-muted">
          {t.cloneFacts.map((f) => (
            <li key={f}>{f}</li>
          ))}
        </ul>
        <TextField label={t.cloneName} autoCapitalize="none" hint={places.project.environmentHint} value={form.name} onChange={(e) => setForm({ ...form, name: e.target.value })} errors={errorsOf(clone.error, "name")} />
        <CheckField label={t.deployToo} hint={t.deployTooHint} checked={form.deploy_after_clone} onChange={(e) => setForm({ ...form, deploy_after_clone: e.target.checked })} />
        <div>
          <Button type="submit" icon="copy" busy={clone.isPending}>
            {t.cloneAction}
          </Button>
        </div>
      </Form>
    </Panel>
  );
}

export function ArchiveEnvironment({ project, env }: Place) {
  const navigate = useNavigate();
  const archive = useArchiveEnvironment(project, env, () => {
    toast(t.archived(env));
    void navigate(paths.project(project));
  });

  if (env === PRODUCTION)
    return (
      <Panel title={t.archive}>
        <p className="text-muted">
          {t.archiveProduction}{" "}
          <Link to={paths.projectSettings(project)} className="text-accent underline">
            {t.projectSettings}
          </Link>
        </p>
      </Panel>
    );
  return (
    <ArchivePanel title={t.archive} lead={t.archiveLead} name={env} mutation={archive}>
      <DoomedInProject project={project} environments={[env]} />
    </ArchivePanel>
  );
}
