import type { ReactNode } from "react";
import { atLeast, role, useMe } from "~/features/auth/me";
import { workspace as t } from "~/text/workspace";
import { Empty } from "~/ui/states";

export function OnlyAdmins({ children }: { children: ReactNode }) {
  const me = useMe();
  return atLeast(me.data, role.admin) ? children : <Empty icon="key" title={t.onlyAdmins} />;
}
