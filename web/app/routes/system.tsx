import { Outlet } from "react-router";
import { useMe } from "~/features/auth/me";
import { paths } from "~/paths";
import { system as t } from "~/text/system";
import { Page, Tabs } from "~/ui/layout";
import { Empty } from "~/ui/states";

export default function System() {
  const me = useMe();

  if (me.data && !me.data.user.is_superuser)
    return (
      <Page title={t.title}>
        <Empty icon="key" title={t.onlySuperusers} />
      </Page>
    );
  return (
    <Page title={t.title}>
      <div className="border-b border-line">
        <Tabs
          label={t.tabs}
          tabs={[
            { to: paths.system(), label: t.health, end: true },
            { to: paths.system("upgrade"), label: t.upgrade },
            { to: paths.system("backups"), label: t.backups },
            { to: paths.system("disk"), label: t.disk },
            { to: paths.system("users"), label: t.users },
            { to: paths.system("workspaces"), label: t.workspaces },
            { to: paths.system("about"), label: t.about },
          ]}
        />
      </div>
      <Outlet />
    </Page>
  );
}
