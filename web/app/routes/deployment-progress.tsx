import { useParams } from "react-router";
import { useDeployment } from "~/api/service";
import { Progress } from "~/features/deployment/progress";
import { Loaded } from "~/ui/states";

export default function DeploymentProgress() {
  const { project = "", env = "", service = "", hash = "" } = useParams();
  const path = { project, env, service };
  return <Loaded query={useDeployment(path, hash)}>{(d) => <Progress path={path} deployment={d} />}</Loaded>;
}
