/* Beside the sections of a long page: links to them, and marks of those that differ. */
import { type ReactNode, useEffect } from "react";
import { Icon } from "./icons";

export interface IndexEntry {
  id: string; // of the section
  text: string;
  mark?: string; // what is special about it, in words
}

export function SectionIndex({ label, entries, children }: { label: string; entries: readonly IndexEntry[]; children: ReactNode }) {
  /* A link to a section is followed before the section is there. */
  useEffect(() => {
    const id = decodeURIComponent(window.location.hash.slice(1));
    if (id) document.getElementById(id)?.scrollIntoView();
  }, []);

  return (
    <div className="grid grid-cols-1 items-start gap-6 lg:grid-cols-[12rem_minmax(0,1fr)]">
      <nav aria-label={label} className="sticky top-16 hidden lg:block">
        <ul className="grid border-l border-line">
          {entries.map((e) => (
            <li key={e.id}>
              <a href={`#${e.id}`} className="-ml-px flex items-center justify-between gap-2 border-l border-transparent px-3 py-1 text-sm text-muted hover:border-line-strong hover:text-ink">
                {e.text}
                {e.mark && (
                  <span className="text-warn" title={e.mark}>
                    <Icon name="edit" className="size-3.5" />
                    <span className="sr-only">{e.mark}</span>
                  </span>
                )}
              </a>
            </li>
          ))}
        </ul>
      </nav>
      <div className="grid grid-cols-1 gap-4">{children}</div>
    </div>
  );
}
