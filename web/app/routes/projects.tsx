import { useQuery } from "@tanstack/react-query";
import { useDeferredValue } from "react";
import { Link, useSearchParams } from "react-router";
import { api, data } from "~/api/client";
import { keys } from "~/api/keys";
import type { ListedProject } from "~/api/types";
import { atLeast, role, useMe } from "~/features/auth/me";
import { Recent } from "~/features/projects/recent";
import { paths } from "~/paths";
import { projects as t } from "~/text/projects";
import { ButtonLink } from "~/ui/button";
import { TextField } from "~/ui/field";
import { Page } from "~/ui/layout";
import { Empty, Loaded, SkeletonRows } from "~/ui/states";
import { Status, type StatusTone } from "~/ui/status";
import { Time } from "~/ui/time";

export default function Projects() {
  const me = useMe();
  const list = useQuery({ queryKey: keys.projects(), queryFn: ({ signal }) => data(api.GET("/api/projects/", { signal })) });
  const mayCreate = atLeast(me.data, role.member);
  const [search, setSearch] = useSearchParams();
  const text = search.get("filter") ?? "";

  return (
    <Page
      title={t.title}
      actions={
        mayCreate && (
          <ButtonLink to={paths.newProject} tone="primary" icon="plus">
            {t.new}
          </ButtonLink>
        )
      }
    >
      <div className="grid gap-6 lg:grid-cols-[1fr_20rem]">
        <Loaded query={list} skeleton={<SkeletonRows rows={6} className="h-20 w-full" />}>
          {(all) => (all.length ? <Filtered all={all} text={text} onText={(v) => setSearch(v ? { filter: v } : {}, { replace: true })} /> : <NoProject mayCreate={mayCreate} />)}
        </Loaded>
        <Recent />
      </div>
    </Page>
  );
}

function NoProject({ mayCreate }: { mayCreate: boolean }) {
  return (
    <Empty
      icon="plus"
      title={t.empty.title}
      actions={
        mayCreate && (
          <ButtonLink to={paths.welcome} tone="primary">
            {t.empty.first}
          </ButtonLink>
        )
      }
    >
      {t.empty.what}
    </Empty>
  );
}

function Filtered({ all, text, onText }: { all: readonly ListedProject[]; text: string; onText: (text: string) => void }) {
  const wanted = useDeferredValue(text).trim().toLowerCase();
  const shown = wanted ? all.filter((p) => p.slug.includes(wanted)) : all;

  return (
    <div className="grid content-start gap-3">
      {all.length > 6 && <TextField label={t.filter} hideLabel placeholder={t.filter} type="search" value={text} onChange={(e) => onText(e.target.value)} />}
      {shown.length === 0 && <p className="py-6 text-center text-muted">{t.noneMatch(text)}</p>}
      <ul className="grid gap-3 sm:grid-cols-2">
        {shown.map((p) => (
          <Card key={p.id} project={p} />
        ))}
      </ul>
    </div>
  );
}

function tone(p: ListedProject): StatusTone {
  if (p.total_services === 0) return "idle";
  if (p.healthy_services === p.total_services) return "ok";
  return p.healthy_services === 0 ? "bad" : "warn";
}

function Card({ project: p }: { project: ListedProject }) {
  return (
    <li className="relative grid gap-2 rounded-lg border border-line bg-surface p-4 transition-colors hover:border-line-strong">
      <div className="flex items-start justify-between gap-2">
        <h2 className="min-w-0 font-semibold">
          <Link to={paths.project(p.slug)} className="after:absolute after:inset-0 after:rounded-lg">
            {p.slug}
          </Link>
        </h2>
        <Status tone={tone(p)} label={t.services(p.healthy_services, p.total_services)} />
      </div>
      {p.description && <p className="line-clamp-2 text-sm text-muted">{p.description}</p>}
      <p className="flex flex-wrap items-center justify-between gap-2 text-sm text-muted">
        <span className="relative flex flex-wrap gap-1.5" aria-label={t.environments}>
          {p.environments.slice(0, 4).map((e) => (
            <Link key={e.id} to={paths.project(p.slug, e.name)} className="rounded-sm bg-sunken px-1.5 text-xs leading-5 hover:text-ink">
              {e.name}
            </Link>
          ))}
        </span>
        <span>
          {t.updated} <Time value={p.updated_at} />
        </span>
      </p>
    </li>
  );
}
