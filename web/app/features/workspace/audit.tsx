import { useInfiniteQuery, useMutation } from "@tanstack/react-query";
import { useEffect, useState } from "react";
import { useSearchParams } from "react-router";
import { api, data } from "~/api/client";
import { keys } from "~/api/keys";
import type { AuditEntry } from "~/api/types";
import { common } from "~/text/common";
import { workspace as t } from "~/text/workspace";
import { Button } from "~/ui/button";
import { CopyText } from "~/ui/copy";
import { Dialog } from "~/ui/dialog";
import { TextField } from "~/ui/field";
import { Fact, Facts, Table } from "~/ui/layout";
import { Notice } from "~/ui/notice";
import { Empty, Failed, SkeletonRows } from "~/ui/states";
import { Time } from "~/ui/time";

const NAMES = ["user", "action", "target", "after", "before"] as const;
type Name = (typeof NAMES)[number];
const labels: Record<Name, string> = { user: t.log.filterUser, action: t.log.filterAction, target: t.log.filterTarget, after: t.log.filterAfter, before: t.log.filterBefore };
const TYPING_MS = 350;

type Query = Partial<Record<Name, string>>;

function read(params: URLSearchParams): Query {
  const q: Query = {};
  for (const n of NAMES) {
    const v = params.get(n);
    if (v) q[n] = v;
  }
  return q;
}

/* A day or time of the field as the API wants it. */
function toApi(q: Query): Query {
  const at = (v: string | undefined) => {
    const d = new Date(v ?? "");
    return Number.isNaN(d.getTime()) ? {} : { v: d.toISOString() };
  };
  const { after, before, ...rest } = q;
  const a = at(after);
  const b = at(before);
  return { ...rest, ...(a.v ? { after: a.v } : {}), ...(b.v ? { before: b.v } : {}) };
}

export function Audit() {
  const [params, setParams] = useSearchParams();
  const query = read(params);
  const [shown, setShown] = useState<AuditEntry | null>(null);
  const list = useInfiniteQuery({
    queryKey: keys.workspace("audit", JSON.stringify(query)),
    queryFn: ({ pageParam, signal }) => data(api.GET("/api/audit/", { params: { query: { ...toApi(query), ...(pageParam ? { cursor: Number(pageParam) } : {}), per_page: 50 } }, signal })),
    initialPageParam: "",
    getNextPageParam: (last) => last.next ?? undefined,
  });
  const entries = list.data?.pages.flatMap((p) => p.results) ?? [];

  return (
    <div className="grid gap-3">
      <Filters query={query} onQuery={(q) => setParams(q, { replace: true })} />
      <Verify />
      {list.error && <Failed error={list.error} onRetry={() => void list.refetch()} />}
      {list.isPending && <SkeletonRows rows={8} />}
      {list.data && entries.length === 0 && <Empty title={t.log.empty} />}
      {entries.length > 0 && (
        <Table label={t.audit} head={[t.log.when, t.log.who, t.log.what, t.log.target, t.log.from]}>
          {entries.map((e) => (
            <tr key={e.seq}>
              <td className="whitespace-nowrap">
                <Time value={e.at} />
              </td>
              <td>
                {e.user?.username ?? t.log.system}
                {e.token_id && <div className="text-sm text-muted">{t.log.byToken}</div>}
              </td>
              <td>
                <button type="button" className="font-mono text-sm text-accent hover:underline" onClick={() => setShown(e)}>
                  {e.action}
                </button>
              </td>
              <td className="font-mono text-sm">{e.target}</td>
              <td className="text-sm whitespace-nowrap text-muted">{e.address}</td>
            </tr>
          ))}
        </Table>
      )}
      {list.hasNextPage && (
        <div>
          <Button busy={list.isFetchingNextPage} onClick={() => void list.fetchNextPage()}>
            {t.log.more}
          </Button>
        </div>
      )}
      {shown && <Details entry={shown} onClose={() => setShown(null)} />}
    </div>
  );
}

function Filters({ query, onQuery }: { query: Query; onQuery: (q: Query) => void }) {
  const text = JSON.stringify(query);
  const [typed, setTyped] = useState(query);

  // eslint-disable-next-line react-hooks/exhaustive-deps -- text stands for query
  useEffect(() => setTyped(query), [text]);
  useEffect(() => {
    const wanted = Object.fromEntries(Object.entries(typed).filter(([, v]) => v));
    if (JSON.stringify(wanted) === text) return;
    const timer = setTimeout(() => onQuery(wanted), TYPING_MS);
    return () => clearTimeout(timer);
    // eslint-disable-next-line react-hooks/exhaustive-deps -- a new function is no new filter
  }, [typed, text]);
  return (
    <div role="search" aria-label={t.audit} className="grid gap-2 sm:grid-cols-3 lg:grid-cols-5">
      {NAMES.map((n) => (
        <TextField key={n} label={labels[n]} type={n === "after" || n === "before" ? "datetime-local" : "text"} autoCapitalize="none" value={typed[n] ?? ""} onChange={(e) => setTyped({ ...typed, [n]: e.target.value })} />
      ))}
    </div>
  );
}

function Verify() {
  const verify = useMutation({ mutationFn: () => data(api.GET("/api/audit/verify/")) });
  const v = verify.data;

  return (
    <div className="flex flex-wrap items-start gap-2">
      <Button icon="check" busy={verify.isPending} onClick={() => verify.mutate()}>
        {t.log.verify}
      </Button>
      <div role="status" className="min-w-0 flex-1 basis-64">
        {verify.error && <Failed error={verify.error} />}
        {v && (
          <Notice tone={v.intact ? "ok" : "bad"}>
            <p>{v.intact ? t.log.intact(v.entries) : `${t.log.broken(v.broken_at ?? 0)} ${v.reason ?? ""}`}</p>
            <p className="flex flex-wrap items-center gap-x-2">
              {t.log.lastHash} <CopyText text={v.hash} short={16} />
            </p>
          </Notice>
        )}
      </div>
    </div>
  );
}

function Value({ value }: { value: unknown }) {
  if (value === null || value === undefined) return <span className="text-muted italic">{t.log.nothing}</span>;
  return <pre className="overflow-x-auto rounded-md bg-sunken p-2 font-mono text-xs whitespace-pre-wrap">{JSON.stringify(value, null, 2)}</pre>;
}

function Details({ entry: e, onClose }: { entry: AuditEntry; onClose: () => void }) {
  return (
    <Dialog open side title={`${t.log.entry(e.seq)}: ${e.action}`} onClose={onClose}>
      <Facts>
        <Fact term={t.log.when}>
          <Time value={e.at} /> <span className="text-sm text-muted">{e.at}</span>
        </Fact>
        <Fact term={t.log.who}>{e.user?.username ?? t.log.system}</Fact>
        <Fact term={t.log.from}>{e.address}</Fact>
        {e.target && (
          <Fact term={t.log.target}>
            <CopyText text={e.target} />
          </Fact>
        )}
        <Fact term={t.log.request}>
          <CopyText text={e.request_id} />
        </Fact>
      </Facts>
      <div className="grid gap-3 sm:grid-cols-2">
        <div className="grid content-start gap-1">
          <h3 className="text-sm font-medium">{t.log.before}</h3>
          <Value value={e.before} />
        </div>
        <div className="grid content-start gap-1">
          <h3 className="text-sm font-medium">{t.log.after}</h3>
          <Value value={e.after} />
        </div>
      </div>
      <div>
        <Button onClick={onClose}>{common.close}</Button>
      </div>
    </Dialog>
  );
}
