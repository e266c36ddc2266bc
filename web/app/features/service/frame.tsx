/* What surrounds the pages of a service: what it is called and does, what can be done with it, what waits. */
import type { ReactNode } from "react";
import { useNavigate } from "react-router";
import type { ServicePath } from "~/api/keys";
import { after } from "~/api/query";
import { current, useCleanupQueue, useDeploy, useDeployments, useService, useToggle } from "~/api/service";
import type { Deployment, Service } from "~/api/types";
import { atLeast, role, useMe } from "~/features/auth/me";
import { paths } from "~/paths";
import { service as t } from "~/text/service";
import { deploymentStatus } from "~/text/status";
import { Button, IconButton } from "~/ui/button";
import { Icon } from "~/ui/icons";
import { Page, Tabs } from "~/ui/layout";
import { Menu, type MenuEntry } from "~/ui/menu";
import { Notice } from "~/ui/notice";
import { Loaded } from "~/ui/states";
import { Status } from "~/ui/status";
import { toast } from "~/ui/toast";
import { ChangesBar } from "./changes-bar";

export function ServiceFrame({ path, children }: { path: ServicePath; children: ReactNode }) {
  const found = useService(path);
  const list = useDeployments(path);
  const me = useMe();
  const tabs = [
    { to: paths.service(path), label: t.overview, end: true },
    { to: paths.service(path, "deployments"), label: t.deployments },
    { to: paths.service(path, "logs"), label: t.logs },
    ...(atLeast(me.data, role.member)
      ? [
          { to: paths.service(path, "variables"), label: t.variables },
          { to: paths.service(path, "domains"), label: t.domains },
        ]
      : []),
    { to: paths.service(path, "requests"), label: t.requests },
    { to: paths.service(path, "metrics"), label: t.metrics },
    ...(atLeast(me.data, role.member) ? [{ to: paths.service(path, "settings"), label: t.settings }] : []),
  ];

  return (
    <Loaded query={found} page={path.service}>
      {(s) => (
        <Page title={`${s.slug} · ${path.project} / ${path.env}`} heading={<Heading service={s} list={list.data?.results ?? []} />} lead={<Lead service={s} />} actions={atLeast(me.data, role.member) && <Actions path={path} list={list.data?.results ?? []} />}>
          <div className="border-b border-line">
            <Tabs label={t.tabs} tabs={tabs} />
          </div>
          {s.unapplied_changes.length > 0 && atLeast(me.data, role.member) && <ChangesBar path={path} service={s} />}
          {children}
        </Page>
      )}
    </Loaded>
  );
}

function Heading({ service: s, list }: { service: Service; list: readonly Deployment[] }) {
  const { production, open } = current(list);
  const shown = open[0] ?? production ?? list[0];

  return (
    <span className="flex flex-wrap items-center gap-2">
      {s.slug}
      {shown && <Status tone={deploymentStatus[shown.status].tone} label={deploymentStatus[shown.status].label} />}
    </span>
  );
}

function Lead({ service: s }: { service: Service }) {
  const url = s.urls.find((u) => !u.redirect_to && !u.domain.startsWith("*"));

  return (
    <span className="flex flex-wrap items-center gap-x-4 gap-y-1">
      {s.image && <code className="text-sm break-all">{s.image}</code>}
      {url && (
        <a href={`//${url.domain}${url.base_path === "/" ? "" : url.base_path}`} target="_blank" rel="noreferrer" className="inline-flex min-w-0 items-center gap-1 text-accent hover:underline">
          <span className="break-all">
            {url.domain}
            {url.base_path === "/" ? "" : url.base_path}
          </span>
          <Icon name="external" className="size-3.5 shrink-0" />
        </a>
      )}
    </span>
  );
}

function sleepEntry(deployed: boolean, asleep: boolean, onToggle: (to: "start" | "stop") => void): MenuEntry[] {
  if (!deployed) return [];
  return asleep ? [{ kind: "action", text: t.wake, icon: "play", onSelect: () => onToggle("start") }] : [{ kind: "action", text: t.sleep, icon: "moon", onSelect: () => onToggle("stop") }];
}

function Actions({ path, list }: { path: ServicePath; list: readonly Deployment[] }) {
  const navigate = useNavigate();
  const deploy = useDeploy(path);
  const toggle = useToggle(path);
  const cleanup = useCleanupQueue(path);
  const { production } = current(list);
  const asleep = production?.status === "SLEEPING";
  const failed = deploy.error ?? toggle.error ?? cleanup.error;

  return (
    <>
      <Button
        tone="primary"
        icon="play"
        busy={deploy.isPending}
        onClick={() =>
          after(deploy.mutateAsync(""), (d) => {
            toast(t.deployed);
            return navigate(paths.deployment(path, d.hash));
          })
        }
      >
        {t.deploy}
      </Button>
      <Menu
        label={t.more}
        trigger={<IconButton icon="dots" label={t.more} className="border border-line-strong" />}
        entries={[
          ...sleepEntry(production !== undefined, asleep, (to) => after(toggle.mutateAsync(to), () => toast(to === "start" ? t.waking(path.service) : t.sleeping(path.service)))),
          { kind: "action", text: t.cleanup, icon: "cross", onSelect: () => after(cleanup.mutateAsync(), () => toast(t.cleaned)) },
        ]}
      />
      {failed && (
        <div className="basis-full">
          <Notice tone="bad" role="alert">
            {failed.message}
          </Notice>
        </div>
      )}
    </>
  );
}
