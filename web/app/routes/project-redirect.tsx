import { Navigate, useParams } from "react-router";
import { paths } from "~/paths";

export default function ProjectRedirect() {
  const { project = "" } = useParams();
  return <Navigate to={paths.project(project)} replace />;
}
