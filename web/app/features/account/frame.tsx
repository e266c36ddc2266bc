import { Outlet } from "react-router";
import { paths } from "~/paths";
import { account as t } from "~/text/account";
import { Page, Tabs } from "~/ui/layout";

export function AccountFrame() {
  return (
    <Page title={t.title}>
      <div className="border-b border-line">
        <Tabs
          label={t.tabs}
          tabs={[
            { to: paths.account(), label: t.profile, end: true },
            { to: paths.account("security"), label: t.security },
            { to: paths.account("tokens"), label: t.tokens },
            { to: paths.account("sessions"), label: t.sessions },
          ]}
        />
      </div>
      <Outlet />
    </Page>
  );
}
