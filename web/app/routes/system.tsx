import { Outlet } from "react-router";
import { useMe } from "~/features/auth/me";
import { paths } from "~/paths";
import { system as t } from "~/text/system";
import { Page, TabbedPage } from "~/ui/layout";
import { Empty } from "~/ui/states";

const TABS = [
  { to: paths.system(), label: t.health, end: true },
  { to: paths.system("upgrade"), label: t.upgrade },
  { to: paths.system("backups"), label: t.backups },
  { to: paths.system("disk"), label: t.disk },
  { to: paths.system("users"), label: t.users },
  { to: paths.system("workspaces"), label: t.workspaces },
  { to: paths.system("about"), label: t.about },
];

export default function System() {
  const me = useMe();

  if (me.data && !me.data.user.is_superuser)
    return (
      <Page title={t.title}>
        <Empty icon="key" title={t.onlySuperusers} />
      </Page>
    );
  return (
    <TabbedPage title={t.title} label={t.tabs} tabs={TABS}>
      <Outlet />
    </TabbedPage>
  );
}
