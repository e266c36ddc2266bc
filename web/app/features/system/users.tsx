import { useMutation, useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { useSearchParams } from "react-router";
import { api, data } from "~/api/client";
import { keys } from "~/api/keys";
import { queryClient } from "~/api/query";
import type { InstanceUser } from "~/api/types";
import { useMe } from "~/features/auth/me";
import { paths } from "~/paths";
import { common } from "~/text/common";
import { system as t } from "~/text/system";
import { Button, IconButton } from "~/ui/button";
import { CopyBox } from "~/ui/copy";
import { ConfirmDialog, Dialog, DialogActions } from "~/ui/dialog";
import { TextField } from "~/ui/field";
import { Table } from "~/ui/layout";
import { Menu } from "~/ui/menu";
import { Notice } from "~/ui/notice";
import { Pager } from "~/ui/pager";
import { Empty, Loaded } from "~/ui/states";
import { Status } from "~/ui/status";
import { toast } from "~/ui/toast";

const PER_PAGE = 50;

function refresh(): Promise<void> {
  return queryClient.invalidateQueries({ queryKey: keys.system("users") });
}

export function Users() {
  const [params, setParams] = useSearchParams();
  const name = params.get("name") ?? "";
  const page = Math.max(1, Number(params.get("page") ?? "1") || 1);
  const list = useQuery({
    queryKey: keys.system("users", { name, page }),
    queryFn: ({ signal }) => data(api.GET("/api/console/users/", { params: { query: { page, per_page: PER_PAGE, ...(name ? { username: name } : {}) } }, signal })),
    placeholderData: (before) => before,
  });

  return (
    <div className="grid gap-3">
      <div className="max-w-sm">
        <TextField label={t.user.search} type="search" autoCapitalize="none" value={name} onChange={(e) => setParams(e.target.value ? { name: e.target.value } : {}, { replace: true })} />
      </div>
      <Loaded query={list}>
        {(found) =>
          found.results.length ? (
            <>
              <Table label={t.users} head={[t.user.name, t.user.status, ""]}>
                {found.results.map((u) => (
                  <Row key={u.id} user={u} />
                ))}
              </Table>
              <Pager page={page} count={found.count} perPage={PER_PAGE} onPage={(p) => setParams({ ...(name ? { name } : {}), page: String(p) })} />
            </>
          ) : (
            <Empty title={t.user.none} />
          )
        }
      </Loaded>
    </div>
  );
}

function Row({ user: u }: { user: InstanceUser }) {
  const me = useMe();
  const [asked, setAsked] = useState<"suspend" | "delete" | "reset" | null>(null);
  const path = { id: String(u.id) };
  const own = me.data?.user.username === u.username;
  const close = () => setAsked(null);
  const suspend = useMutation({
    mutationFn: (active: boolean) => data(api.PATCH("/api/console/users/{id}/", { params: { path }, body: { is_active: active } })),
    onSuccess: async () => {
      await refresh();
      close();
    },
  });
  const remove = useMutation({
    mutationFn: () => data(api.DELETE("/api/console/users/{id}/", { params: { path } })),
    onSuccess: async () => {
      toast(t.user.deleted);
      await refresh();
    },
  });

  return (
    <tr>
      <td>
        <span className="font-medium">{u.username}</span>
        <div className="text-sm text-muted">{[u.first_name, u.last_name].filter(Boolean).join(" ")}</div>
      </td>
      <td>
        <span className="flex flex-wrap gap-1">
          <Status tone={u.is_active ? "ok" : "bad"} label={u.is_active ? t.user.active : t.user.suspended} />
          {u.is_superuser && <Status tone="busy" icon="key" label={t.user.superuser} />}
        </span>
        {suspend.error && asked === null && <Notice tone="bad">{suspend.error.message}</Notice>}
      </td>
      <td className="text-right">
        {!own && (
          <Menu
            label={`${common.more}: ${u.username}`}
            trigger={<IconButton icon="dots" label={`${common.more}: ${u.username}`} />}
            entries={[
              { kind: "action", text: t.user.reset, icon: "key", onSelect: () => setAsked("reset") },
              u.is_active ? { kind: "action", text: t.user.suspend, icon: "stop", onSelect: () => setAsked("suspend") } : { kind: "action", text: t.user.unsuspend, icon: "play", onSelect: () => suspend.mutate(true) },
              { kind: "action", text: t.user.delete, icon: "trash", danger: true, onSelect: () => setAsked("delete") },
            ]}
          />
        )}
        <ConfirmDialog open={asked === "suspend"} title={t.user.suspendTitle(u.username)} action={t.user.suspend} busy={suspend.isPending} error={suspend.error} onConfirm={() => suspend.mutate(false)} onClose={close}>
          <p className="text-left">{t.user.suspendWhat}</p>
        </ConfirmDialog>
        <ConfirmDialog open={asked === "delete"} title={t.user.deleteTitle(u.username)} name={u.username} action={t.user.delete} busy={remove.isPending} error={remove.error} onConfirm={() => remove.mutate()} onClose={close}>
          <p className="text-left">{t.user.deleteWhat}</p>
        </ConfirmDialog>
        <Dialog open={asked === "reset"} title={`${t.user.resetTitle}: ${u.username}`} onClose={close}>
          <Reset user={u} onClose={close} />
        </Dialog>
      </td>
    </tr>
  );
}

function Reset({ user: u, onClose }: { user: InstanceUser; onClose: () => void }) {
  const make = useMutation({ mutationFn: () => data(api.POST("/api/console/users/{id}/generate-password-reset-code/", { params: { path: { id: String(u.id) } } })) });
  const link = make.data ? `${window.location.origin}${paths.resetPassword(make.data.value)}` : null;

  return (
    <div className="grid gap-3 text-left">
      <p>{t.user.resetWhat}</p>
      {make.error && (
        <Notice tone="bad" role="alert">
          {make.error.message}
        </Notice>
      )}
      {link && <CopyBox text={link} name={t.user.resetTitle} />}
      <DialogActions>
        <Button onClick={onClose}>{common.close}</Button>
        {!link && (
          <Button tone="primary" busy={make.isPending} onClick={() => make.mutate()}>
            {t.user.reset}
          </Button>
        )}
      </DialogActions>
    </div>
  );
}
