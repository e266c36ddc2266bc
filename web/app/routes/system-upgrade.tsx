import { NotYet } from "~/features/system/not-yet";
import { useSettings } from "~/features/system/settings";
import { system as t } from "~/text/system";
import { Fact, Facts, Panel } from "~/ui/layout";
import { Loaded } from "~/ui/states";

export default function SystemUpgrade() {
  return (
    <NotYet text={t.noUpgrade}>
      <Panel title={t.noUpgrade.installed}>
        <Loaded query={useSettings()}>
          {(s) => (
            <Facts>
              <Fact term={t.info.version}>{s.image_version}</Fact>
            </Facts>
          )}
        </Loaded>
      </Panel>
    </NotYet>
  );
}
