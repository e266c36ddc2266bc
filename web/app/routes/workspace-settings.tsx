import { WorkspaceSettings } from "~/features/workspace/settings";

export default WorkspaceSettings;
