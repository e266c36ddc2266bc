import { Invitations } from "~/features/workspace/invitations";
import { OnlyAdmins } from "~/features/workspace/only-admins";

export default function WorkspaceInvitations() {
  return (
    <OnlyAdmins>
      <Invitations />
    </OnlyAdmins>
  );
}
