import { useParams } from "react-router";
import type { EnvironmentVariable } from "~/api/types";
import { EnvironmentFrame } from "~/features/environment/frame";
import type { Variable } from "~/features/settings/dotenv";
import type { Item } from "~/features/settings/overlay";
import { useSharedVariables } from "~/features/settings/places-data";
import { sharedVariables } from "~/features/settings/variable-actions";
import { VariableEditor } from "~/features/settings/variable-editor";
import { variables as t } from "~/text/variables";
import { Panel } from "~/ui/layout";
import { Loaded, SkeletonRows } from "~/ui/states";

function row(v: EnvironmentVariable): Item<Variable> {
  return { key: v.id, itemId: v.id, state: "live", value: { key: v.key, value: v.value }, old: null, change: null };
}

export default function EnvironmentVariables() {
  const { project = "", env = "" } = useParams();
  const list = useSharedVariables(project, env);

  return (
    <EnvironmentFrame project={project} env={env} title={t.title}>
      <Loaded query={list} skeleton={<SkeletonRows rows={5} className="h-12 w-full" />}>
        {(all) => (
          <Panel
            title={t.shared.title}
            lead={
              <>
                <p>{t.leadEnvironment}</p>
                <p>{t.references(`{{env.${all[0]?.key ?? "NAME"}}}`)}</p>
              </>
            }
          >
            <VariableEditor rows={all.map(row)} actions={sharedVariables(project, env)} shared={null} />
          </Panel>
        )}
      </Loaded>
    </EnvironmentFrame>
  );
}
