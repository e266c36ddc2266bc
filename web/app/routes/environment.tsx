import { Outlet } from "react-router";

/** Pages of an environment and of what is in it; each has its own frame. */
export default function Environment() {
  return <Outlet />;
}
