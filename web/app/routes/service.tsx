import { Outlet, useParams } from "react-router";
import { ServiceFrame } from "~/features/service/frame";

export default function Service() {
  const { project = "", env = "", service = "" } = useParams();
  return (
    <ServiceFrame path={{ project, env, service }}>
      <Outlet />
    </ServiceFrame>
  );
}
