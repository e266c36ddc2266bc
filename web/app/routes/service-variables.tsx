import { useParams } from "react-router";
import { useService } from "~/api/service";
import { SharedHere, SystemVariables } from "~/features/settings/more-variables";
import { items } from "~/features/settings/overlay";
import { serviceVariables } from "~/features/settings/variable-actions";
import { VariableEditor } from "~/features/settings/variable-editor";
import { variables as t } from "~/text/variables";
import { Panel } from "~/ui/layout";
import { Loaded, SkeletonRows } from "~/ui/states";

export default function ServiceVariables() {
  const { project = "", env = "", service = "" } = useParams();
  const path = { project, env, service };
  const found = useService(path);

  return (
    <Loaded query={found} skeleton={<SkeletonRows rows={6} className="h-12 w-full" />}>
      {(s) => {
        const rows = items(s, "env_variables");
        return (
          <div className="grid grid-cols-1 gap-4">
            <Panel
              title={t.title}
              lead={
                <>
                  <p>{t.leadService}</p>
                  <p>{t.references("{{env.NAME}}")}</p>
                </>
              }
            >
              <VariableEditor rows={rows} actions={serviceVariables(path)} shared={s.environment.variables.map((v) => v.key)} />
            </Panel>
            <SharedHere service={s} own={new Set(rows.map((r) => r.value.key))} project={project} env={env} />
            <SystemVariables service={s} />
          </div>
        );
      }}
    </Loaded>
  );
}
