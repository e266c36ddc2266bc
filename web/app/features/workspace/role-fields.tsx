import { workspace as t } from "~/text/workspace";
import { CheckField, FieldErrors, SelectField } from "~/ui/field";
import { useProjects } from "./queries";

export interface RoleChoice {
  role: number;
  projects: readonly string[]; // ids, of a guest
}

/** A role, and of a guest the projects. */
export function RoleFields({ value, onChange, errors }: { value: RoleChoice; onChange: (v: RoleChoice) => void; errors: { role: readonly string[]; projects: readonly string[] } }) {
  const projects = useProjects();

  return (
    <>
      <SelectField
        label={t.role}
        value={String(value.role)}
        onChange={(e) => onChange({ ...value, role: Number(e.target.value) })}
        choices={[10, 30, 40].map((r) => ({ value: String(r), label: `${t.roles[r] ?? ""}: ${t.roleWhat[r] ?? ""}` }))}
        errors={errors.role}
      />
      {value.role === 10 && (
        <fieldset className="grid gap-2">
          <legend className="mb-1 text-sm font-medium">{t.projects}</legend>
          <div className="grid max-h-40 gap-1 overflow-y-auto">
            {projects.data?.map((p) => (
              <CheckField
                key={p.id}
                label={p.slug}
                checked={value.projects.includes(p.id)}
                onChange={(e) => onChange({ ...value, projects: e.target.checked ? [...value.projects, p.id] : value.projects.filter((x) => x !== p.id) })}
              />
            ))}
          </div>
          <FieldErrors errors={errors.projects} />
        </fieldset>
      )}
    </>
  );
}
