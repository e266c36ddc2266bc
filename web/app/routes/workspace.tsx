import { Outlet } from "react-router";
import { atLeast, role, useMe } from "~/features/auth/me";
import { paths } from "~/paths";
import { workspace as t } from "~/text/workspace";
import { Page, Tabs } from "~/ui/layout";

export default function Workspace() {
  const me = useMe();
  const admin = atLeast(me.data, role.admin);
  const tabs = [
    { to: paths.workspace(), label: t.members, end: true },
    ...(admin ? [{ to: paths.workspace("invitations"), label: t.invitations }] : []),
    ...(atLeast(me.data, role.member) ? [{ to: paths.workspace("registries"), label: t.registries }] : []),
    ...(admin ? [{ to: paths.workspace("audit"), label: t.audit }] : []),
    { to: paths.workspace("settings"), label: t.settings },
  ];
  return (
    <Page title={`${t.title}: ${me.data?.membership?.workspace.name ?? ""}`} heading={me.data?.membership?.workspace.name}>
      <div className="border-b border-line">
        <Tabs label={t.tabs} tabs={tabs} />
      </div>
      <Outlet />
    </Page>
  );
}
