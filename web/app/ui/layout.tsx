/* The frame of a page: its title, what can be done, sections. */
import { type ReactNode, useEffect, useRef } from "react";
import { NavLink, useLocation } from "react-router";
import { common } from "~/text/common";
import { cx } from "./classes";

/** Title of the browser's tab and heading of the page. */
export function Page({ title, lead, actions, children, heading }: { title: string; lead?: ReactNode; actions?: ReactNode; children: ReactNode; heading?: ReactNode }) {
  useEffect(() => {
    document.title = `${title} · ${common.product}`;
  }, [title]);
  return (
    <div className="grid grid-cols-1 gap-5">
      <header className="flex flex-wrap items-start justify-between gap-3">
        <div className="min-w-0">
          <h1 className="text-xl font-semibold">{heading ?? title}</h1>
          {lead && <div className="mt-0.5 text-muted">{lead}</div>}
        </div>
        {actions && <div className="flex flex-wrap items-center gap-2">{actions}</div>}
      </header>
      {children}
    </div>
  );
}

export function Panel({ title, lead, actions, children, tone, id }: { title?: string; lead?: ReactNode; actions?: ReactNode; children?: ReactNode; tone?: "danger"; id?: string }) {
  return (
    <section id={id} aria-label={title} className={cx("scroll-mt-28 rounded-lg border bg-surface", tone === "danger" ? "border-bad" : "border-line")}>
      {(title ?? actions) && (
        <header className="flex flex-wrap items-start justify-between gap-3 px-4 pt-3">
          <div className="min-w-0">
            {title && <h2 className={cx("font-semibold", tone === "danger" && "text-bad")}>{title}</h2>}
            {lead && <div className="text-sm text-muted">{lead}</div>}
          </div>
          {actions && <div className="flex flex-wrap gap-2">{actions}</div>}
        </header>
      )}
      <div className="p-4">{children}</div>
    </section>
  );
}

export interface Tab {
  to: string;
  label: ReactNode;
  end?: boolean;
}

/** Sections of a place as links; scrolls sideways on a phone. */
export function Tabs({ label, tabs }: { label: string; tabs: readonly Tab[] }) {
  const nav = useRef<HTMLElement>(null);
  const { pathname } = useLocation();

  useEffect(() => {
    nav.current?.querySelector('[aria-current="page"]')?.scrollIntoView({ block: "nearest", inline: "nearest" });
  }, [pathname]);
  return (
    <nav ref={nav} aria-label={label} className="-mb-px flex gap-1 overflow-x-auto">
      {tabs.map((t) => (
        <NavLink
          key={t.to}
          to={t.to}
          end={t.end ?? false}
          className={({ isActive }) =>
            cx("border-b-2 px-2.5 py-2 text-sm whitespace-nowrap transition-colors focus-visible:-outline-offset-2", isActive ? "border-accent font-medium text-ink" : "border-transparent text-muted hover:text-ink")
          }
        >
          {t.label}
        </NavLink>
      ))}
    </nav>
  );
}

/** A page that is several, by links under its title. */
export function TabbedPage({ title, label, tabs, children }: { title: string; label: string; tabs: readonly Tab[]; children: ReactNode }) {
  return (
    <Page title={title}>
      <div className="border-b border-line">
        <Tabs label={label} tabs={tabs} />
      </div>
      {children}
    </Page>
  );
}

/** Facts as term and value. */
export function Facts({ children }: { children: ReactNode }) {
  return <dl className="grid gap-x-6 gap-y-2 sm:grid-cols-[max-content_1fr]">{children}</dl>;
}

export function Fact({ term, children }: { term: string; children: ReactNode }) {
  return (
    <div className="contents">
      <dt className="text-sm text-muted max-sm:-mb-2">{term}</dt>
      <dd className="min-w-0">{children}</dd>
    </div>
  );
}

/** A table that becomes a scroller of its own on narrow screens. */
export function Table({ label, head, children }: { label: string; head: readonly ReactNode[]; children: ReactNode }) {
  return (
    // eslint-disable-next-line jsx-a11y/no-noninteractive-tabindex -- scrolls by keyboard
    <div className="relative overflow-x-auto rounded-lg border border-line bg-surface" role="region" aria-label={label} tabIndex={0}>
      <table className="w-full border-collapse text-left [overflow-wrap:break-word]">
        <thead>
          <tr className="border-b border-line text-sm text-muted">
            {head.map((h, i) => (
              <th key={i} scope="col" className="px-3 py-2 font-medium whitespace-nowrap">
                {h === "" ? <span className="sr-only">{common.actions}</span> : h}
              </th>
            ))}
          </tr>
        </thead>
        <tbody className="[&>tr]:border-b [&>tr]:border-line [&>tr:last-child]:border-b-0 [&_td]:px-3 [&_td]:py-2 [&_td]:align-top">{children}</tbody>
      </table>
    </div>
  );
}
