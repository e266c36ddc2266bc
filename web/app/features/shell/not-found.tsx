import { paths } from "~/paths";
import { shell as t } from "~/text/shell";
import { ButtonLink } from "~/ui/button";
import { Page } from "~/ui/layout";
import { Empty } from "~/ui/states";

export function NotFound() {
  return (
    <Page title={t.notFound.title}>
      <Empty icon="search" title={t.notFound.lead} actions={<ButtonLink to={paths.home}>{t.notFound.home}</ButtonLink>}>
        {t.notFound.what}
      </Empty>
    </Page>
  );
}
