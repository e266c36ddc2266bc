import type { ReactNode } from "react";
import { atLeast, role, useMe } from "~/features/auth/me";
import { paths } from "~/paths";
import { environment as t } from "~/text/environment";
import { Page, Tabs } from "~/ui/layout";

/** The frame of an environment's own pages. */
export function EnvironmentFrame({ project, env, title, actions, children }: { project: string; env: string; title: string; actions?: ReactNode; children: ReactNode }) {
  const me = useMe();
  const tabs = [
    { to: paths.environment(project, env), label: t.services, end: true },
    ...(atLeast(me.data, role.member)
      ? [
          { to: paths.environment(project, env, "variables"), label: t.variables },
          { to: paths.environment(project, env, "settings"), label: t.settings },
        ]
      : []),
  ];
  return (
    <Page title={`${title} · ${project} / ${env}`} heading={`${project} / ${env}`} actions={actions}>
      <div className="border-b border-line">
        <Tabs label={t.tabs} tabs={tabs} />
      </div>
      {children}
    </Page>
  );
}
