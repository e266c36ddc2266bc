import { Outlet } from "react-router";
import { paths } from "~/paths";
import { account as t } from "~/text/account";
import { TabbedPage } from "~/ui/layout";

const TABS = [
  { to: paths.account(), label: t.profile, end: true },
  { to: paths.account("security"), label: t.security },
  { to: paths.account("tokens"), label: t.tokens },
  { to: paths.account("sessions"), label: t.sessions },
];

export function AccountFrame() {
  return (
    <TabbedPage title={t.title} label={t.tabs} tabs={TABS}>
      <Outlet />
    </TabbedPage>
  );
}
