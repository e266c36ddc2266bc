import { type ReactNode, useEffect } from "react";
import { common } from "~/text/common";

/** The frame of pages for people who are not logged in. */
export function AuthFrame({ title, lead, children }: { title: string; lead?: ReactNode; children: ReactNode }) {
  useEffect(() => {
    document.title = `${title} · ${common.product}`;
  }, [title]);
  return (
    <main className="grid min-h-dvh content-start justify-items-center px-4 pt-[12vh] pb-8">
      <div className="grid w-full max-w-sm gap-5">
        <header className="grid justify-items-center gap-3 text-center">
          <svg viewBox="0 0 32 32" className="size-10" aria-hidden="true">
            <rect width="32" height="32" rx="7" className="fill-accent" />
            <path d="M9 9h14v3.2L14.2 20H23v3H9v-3.2L17.8 12H9z" className="fill-on-accent" />
          </svg>
          <h1 className="text-xl font-semibold">{title}</h1>
          {lead && <p className="text-muted">{lead}</p>}
        </header>
        <div className="rounded-lg border border-line bg-surface p-5">{children}</div>
      </div>
    </main>
  );
}
