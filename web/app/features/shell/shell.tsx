/* What surrounds every page of somebody who is logged in: where one is, how to get elsewhere, and whether
 * what is shown is live. */
import { lazy, Suspense, useEffect, useState } from "react";
import { Link, Navigate, Outlet, useLocation, useNavigation, useParams } from "react-router";
import { ApiError } from "~/api/error";
import { live } from "~/api/live";
import { useMe } from "~/features/auth/me";
import { paths } from "~/paths";
import { common } from "~/text/common";
import { shell as t } from "~/text/shell";
import { Icon } from "~/ui/icons";
import { Failed } from "~/ui/states";
import { Crumbs } from "./crumbs";
import { LiveBanner, LiveDot } from "./live-state";
import { NoWorkspace } from "./no-workspace";
import { TrialBanner } from "./trial-banner";
import { UserMenu } from "./user-menu";
import { Waiting } from "./waiting";

const Palette = lazy(() => import("~/features/palette/palette"));

export function Shell() {
  const me = useMe();
  const location = useLocation();

  if (me.data) return <Inside superuser={me.data.user.is_superuser} workspace={me.data.membership?.workspace.id ?? null} />;
  if (me.error instanceof ApiError && me.error.status === 401) return <Navigate to={`${paths.login}?next=${encodeURIComponent(location.pathname + location.search)}`} replace />;
  if (me.error)
    return (
      <main className="p-4">
        <Failed error={me.error} onRetry={() => void me.refetch()} />
      </main>
    );
  return <Waiting />;
}

function usePaletteKey(): [boolean, (open: boolean) => void] {
  const [open, setOpen] = useState(false);

  useEffect(() => {
    const onKey = (e: KeyboardEvent) => {
      if ((e.ctrlKey || e.metaKey) && !e.altKey && e.key.toLowerCase() === "k") {
        e.preventDefault();
        setOpen((o) => !o);
      }
    };
    window.addEventListener("keydown", onKey);
    return () => window.removeEventListener("keydown", onKey);
  }, []);
  return [open, setOpen];
}

function Inside({ superuser, workspace }: { superuser: boolean; workspace: string | null }) {
  const [palette, setPalette] = usePaletteKey();
  const navigation = useNavigation();
  const inSystem = useLocation().pathname.startsWith(paths.system());
  const account = useLocation().pathname.startsWith(paths.account());

  useEffect(() => {
    if (workspace) live.start("/api/events/", workspace);
    else live.stop();
  }, [workspace]);
  useEffect(() => () => live.stop(), []);

  return (
    <div className="flex min-h-dvh flex-col">
      <a href="#content" className="sr-only z-50 rounded-md bg-accent p-2 text-on-accent focus:not-sr-only focus:absolute focus:top-2 focus:left-2">
        {common.skip}
      </a>
      <Header onSearch={() => setPalette(true)} busy={navigation.state !== "idle"} />
      <LiveBanner />
      <TrialBanner />
      <main id="content" tabIndex={-1} className="mx-auto w-full max-w-6xl flex-1 p-4 outline-none sm:p-6">
        {workspace || account || inSystem ? <Outlet /> : <NoWorkspace superuser={superuser} />}
      </main>
      {palette && (
        <Suspense>
          <Palette onClose={() => setPalette(false)} />
        </Suspense>
      )}
    </div>
  );
}

function Header({ onSearch, busy }: { onSearch: () => void; busy: boolean }) {
  const params = useParams();
  return (
    <header className="sticky top-0 z-30 border-b border-line bg-surface">
      <div className="mx-auto flex h-12 w-full max-w-6xl items-center gap-1 px-4 sm:px-6">
        <Link to={paths.home} aria-label={t.home} className="mr-1 flex items-center rounded-md">
          <Mark />
        </Link>
        <Crumbs project={params.project ?? null} env={params.env ?? null} service={params.service ?? null} />
        <div className="ml-auto flex items-center gap-1">
          <LiveDot />
          <SearchButton onClick={onSearch} />
          <UserMenu />
        </div>
      </div>
      <div aria-hidden="true" className={busy ? "h-0.5 animate-pulse bg-accent" : "h-0.5"} />
    </header>
  );
}

function Mark() {
  return (
    <svg viewBox="0 0 32 32" className="size-7" aria-hidden="true">
      <rect width="32" height="32" rx="7" className="fill-accent" />
      <path d="M9 9h14v3.2L14.2 20H23v3H9v-3.2L17.8 12H9z" className="fill-on-accent" />
    </svg>
  );
}

function SearchButton({ onClick }: { onClick: () => void }) {
  return (
    <button type="button" onClick={onClick} aria-keyshortcuts="Control+K" className="flex h-8 items-center gap-2 rounded-md border border-line-strong px-2 text-sm text-muted transition-colors hover:bg-sunken hover:text-ink max-sm:size-10 max-sm:justify-center max-sm:border-transparent">
      <Icon name="search" />
      <span className="max-lg:sr-only">{t.search}</span>
      <kbd className="font-sans text-xs max-lg:hidden">{t.searchKey}</kbd>
    </button>
  );
}
