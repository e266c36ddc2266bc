/* The command palette: a combobox over places, pages and actions (WAI-ARIA's pattern with a listbox). */
import { useQuery } from "@tanstack/react-query";
import { type KeyboardEvent, useDeferredValue, useEffect, useId, useRef, useState } from "react";
import { useNavigate, useParams } from "react-router";
import { keys } from "~/api/keys";
import { queryClient } from "~/api/query";
import type { ListedProject } from "~/api/types";
import { useMe } from "~/features/auth/me";
import { paths } from "~/paths";
import { palette as t } from "~/text/palette";
import { cx } from "~/ui/classes";
import { Dialog } from "~/ui/dialog";
import { Icon } from "~/ui/icons";
import { type Entry, find, ownEntries, placeOf } from "./entries";
import { ranked } from "./match";
import { recentPlaces, remember } from "./recent";

const SHOWN = 40;

function knownProjects(): Entry[] {
  const list = queryClient.getQueryData<ListedProject[]>(keys.projects()) ?? [];
  return list.map((p) => ({ key: `place ${paths.project(p.slug)}`, group: "place", text: p.slug, note: t.kinds.project, icon: "right", to: paths.project(p.slug) }));
}

function recents(): Entry[] {
  return recentPlaces().map((p) => ({ key: `recent ${p.to}`, group: "recent", text: p.text, note: p.note, icon: "clock", to: p.to }));
}

/** What is shown for a text, best first within each group, and whether the server could be asked. */
function useEntries(text: string): { entries: Entry[]; failed: boolean } {
  const me = useMe();
  const params = useParams();
  const at = { project: params.project ?? null, env: params.env ?? null, service: params.service ?? null };
  const query = useDeferredValue(text.trim());
  const found = useQuery({ queryKey: keys.search(query), queryFn: ({ signal }) => find(query, signal), enabled: query !== "", placeholderData: (before) => before });
  const own = ownEntries(me.data, at);

  if (!text.trim()) return { entries: [...recents(), ...own.filter((e) => e.group === "action"), ...own.filter((e) => e.group === "page")], failed: false };
  const places = new Map([...knownProjects(), ...(found.data?.map(placeOf) ?? [])].map((e) => [e.key, e]));
  const entries = [...ranked(text, [...places.values()], (e) => `${e.text} ${e.note}`), ...ranked(text, own, (e) => e.text)];
  return { entries: entries.slice(0, SHOWN), failed: found.isError };
}

export default function Palette({ onClose }: { onClose: () => void }) {
  const [text, setText] = useState("");
  const [chosen, setChosen] = useState(0);
  const { entries, failed } = useEntries(text);
  const navigate = useNavigate();
  const id = useId();
  const list = useRef<HTMLDivElement>(null);
  const at = Math.min(chosen, Math.max(0, entries.length - 1));

  useEffect(() => {
    list.current?.querySelector('[aria-selected="true"]')?.scrollIntoView({ block: "nearest" });
  }, [at, text]);

  const open = (e: Entry) => {
    onClose();
    if (e.to) {
      if (e.group === "place" || e.group === "recent") remember({ to: e.to, text: e.text, note: e.note });
      void navigate(e.to);
    }
    e.run?.();
  };
  const onKeyDown = (e: KeyboardEvent) => {
    const moves: Record<string, number> = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: entries.length - 1 };
    const to = moves[e.key];
    const entry = entries[at];
    if (to !== undefined && entries.length) {
      e.preventDefault();
      setChosen((to + entries.length) % entries.length);
    } else if (e.key === "Enter" && entry) {
      e.preventDefault();
      open(entry);
    }
  };

  return (
    <Dialog open title={t.title} onClose={onClose}>
      <div className="grid gap-3">
        <input
          // eslint-disable-next-line jsx-a11y/no-autofocus -- the dialog was opened to type
          autoFocus
          type="text"
          role="combobox"
          aria-label={t.input}
          aria-expanded="true"
          aria-controls={`${id}-list`}
          aria-activedescendant={entries[at] ? `${id}-${at}` : undefined}
          aria-autocomplete="list"
          autoComplete="off"
          spellCheck={false}
          placeholder={t.input}
          value={text}
          onChange={(e) => {
            setText(e.target.value);
            setChosen(0);
          }}
          onKeyDown={onKeyDown}
          className="h-10 w-full rounded-md border border-line-strong bg-surface px-3 text-lg"
        />
        <div id={`${id}-list`} ref={list} role="listbox" aria-label={t.results} className="h-80 max-h-[50dvh] overflow-y-auto">
          {entries.map((e, i) => (
            <Row key={e.key} entry={e} id={`${id}-${i}`} chosen={i === at} first={i === 0 || entries[i - 1]?.group !== e.group} onOpen={() => open(e)} onPoint={() => setChosen(i)} />
          ))}
        </div>
        <p role="status" className="text-sm text-muted">
          {failed ? t.failed : entries.length === 0 && text ? t.none(text) : t.hint}
        </p>
      </div>
    </Dialog>
  );
}

function Row({ entry: e, id, chosen, first, onOpen, onPoint }: { entry: Entry; id: string; chosen: boolean; first: boolean; onOpen: () => void; onPoint: () => void }) {
  return (
    <>
      {first && (
        <div role="presentation" className="px-2 pt-2 pb-1 text-xs font-medium text-muted">
          {t.groups[e.group]}
        </div>
      )}
      {/* eslint-disable-next-line jsx-a11y/click-events-have-key-events -- the input has the keys */}
      <div id={id} role="option" tabIndex={-1} aria-selected={chosen} onClick={onOpen} onPointerMove={onPoint} className={cx("flex min-h-9 cursor-pointer items-center gap-2 rounded-md px-2", chosen && "bg-accent-soft")}>
        <Icon name={e.icon} className="size-4 shrink-0 text-muted" />
        <span className="min-w-0 flex-1 truncate">{e.text}</span>
        {e.note && <span className="truncate text-sm text-muted">{e.note}</span>}
      </div>
    </>
  );
}
