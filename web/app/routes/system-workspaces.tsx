import { Workspaces } from "~/features/system/workspaces";

export default Workspaces;
