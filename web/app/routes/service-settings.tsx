import { useParams } from "react-router";
import { useService } from "~/api/service";
import { SettingsSections } from "~/features/settings/sections";
import { Loaded, SkeletonRows } from "~/ui/states";

export default function ServiceSettings() {
  const { project = "", env = "", service = "" } = useParams();
  const path = { project, env, service };
  const found = useService(path);

  return (
    <Loaded query={found} skeleton={<SkeletonRows rows={5} className="h-40 w-full" />}>
      {(s) => <SettingsSections key={s.id} path={path} service={s} />}
    </Loaded>
  );
}
