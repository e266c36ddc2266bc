import { useMutation, useQuery } from "@tanstack/react-query";
import { useNavigate } from "react-router";
import { api, data } from "~/api/client";
import { keys } from "~/api/keys";
import { live } from "~/api/live";
import { queryClient } from "~/api/query";
import { useMe } from "~/features/auth/me";
import { paths } from "~/paths";
import { common } from "~/text/common";
import { shell as t } from "~/text/shell";
import { Icon } from "~/ui/icons";
import { Menu, type MenuEntry } from "~/ui/menu";
import { setTheme, type Theme, useTheme } from "~/ui/theme";

const themes: readonly Theme[] = ["system", "light", "dark"];

/** Ends the session here and forgets what was fetched with it. */
function useLogout() {
  const navigate = useNavigate();
  return useMutation({
    mutationFn: () => data(api.DELETE("/api/auth/logout/")),
    onSettled: () => {
      live.stop();
      queryClient.clear();
      void navigate(paths.login);
    },
  });
}

function useSwitch() {
  const navigate = useNavigate();
  return useMutation({
    mutationFn: (id: string) => data(api.POST("/api/workspaces/switch/", { body: { workspace_id: id } })),
    onSuccess: async () => {
      await navigate(paths.home);
      await queryClient.resetQueries();
    },
  });
}

export function UserMenu() {
  const me = useMe();
  const look = useTheme();
  const logout = useLogout();
  const change = useSwitch();
  const workspaces = useQuery({ queryKey: keys.workspaces, queryFn: ({ signal }) => data(api.GET("/api/workspaces/list/", { signal })) });
  const current = me.data?.membership?.workspace;
  const others = workspaces.data?.filter((w) => w.workspace.id !== current?.id) ?? [];

  const entries: MenuEntry[] = [
    ...(current ? [{ kind: "label", text: current.name } as const] : []),
    { kind: "link", text: t.home, to: paths.home },
    { kind: "link", text: t.workspace, to: paths.workspace() },
    ...(me.data?.user.is_superuser ? [{ kind: "link", text: t.system, to: paths.system() } as const] : []),
    { kind: "link", text: t.account, to: paths.account() },
    ...(others.length ? [{ kind: "line" } as const, { kind: "label", text: t.switchWorkspace } as const] : []),
    ...others.map((w) => ({ kind: "action", text: w.workspace.name, onSelect: () => change.mutate(w.workspace.id) }) as const),
    { kind: "line" },
    { kind: "label", text: common.theme.label },
    ...themes.map((th) => ({ kind: "action", text: common.theme[th], icon: look === th ? "check" : "ring", onSelect: () => setTheme(th) }) as const),
    { kind: "line" },
    { kind: "action", text: t.logout, onSelect: () => logout.mutate() },
  ];

  return (
    <Menu
      label={t.userMenu}
      entries={entries}
      trigger={
        <button type="button" aria-label={t.userMenu} className="flex h-8 items-center gap-1 rounded-md px-1.5 text-sm hover:bg-sunken max-sm:h-10">
          <Icon name="user" />
          <span className="max-w-32 truncate max-md:sr-only">{me.data?.user.username}</span>
          <Icon name="down" className="size-3.5 shrink-0 text-muted" />
        </button>
      }
    />
  );
}
