import { Audit } from "~/features/workspace/audit";
import { OnlyAdmins } from "~/features/workspace/only-admins";

export default function WorkspaceAudit() {
  return (
    <OnlyAdmins>
      <Audit />
    </OnlyAdmins>
  );
}
