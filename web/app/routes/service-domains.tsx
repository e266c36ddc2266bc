import { useParams } from "react-router";
import { useService } from "~/api/service";
import { useDetectedPorts, useDomainStates, useSettings } from "~/features/settings/data";
import { urlKind } from "~/features/settings/domains";
import { ItemList } from "~/features/settings/item-section";
import { items, knownPorts } from "~/features/settings/overlay";
import { settings } from "~/text/settings";
import { Button } from "~/ui/button";
import { Refused } from "~/ui/form";
import { Panel } from "~/ui/layout";
import { Empty, Loaded, SkeletonRows } from "~/ui/states";

const t = settings.domains;

export default function ServiceDomains() {
  const { project = "", env = "", service = "" } = useParams();
  const path = { project, env, service };
  const found = useService(path);
  const platform = useSettings();
  const detected = useDetectedPorts(path);
  const names = found.data ? items(found.data, "urls").map((i) => i.value.domain) : [];
  const states = useDomainStates(path, names);

  return (
    <Loaded query={found} skeleton={<SkeletonRows rows={3} className="h-20 w-full" />}>
      {(s) => (
        <Panel
          title={t.title}
          lead={t.lead}
          actions={
            <Button icon="refresh" busy={states.isFetching} onClick={() => void states.refetch()}>
              {t.state.again}
            </Button>
          }
        >
          <Refused error={states.error} />
          <ItemList
            path={path}
            service={s}
            kind={urlKind(platform.data?.root_domain ?? null, platform.data?.app_domain ?? null, knownPorts(s, detected.data ?? []), states.data)}
            empty={
              <Empty icon="link" title={t.empty.title}>
                {t.empty.what}
              </Empty>
            }
          />
        </Panel>
      )}
    </Loaded>
  );
}
