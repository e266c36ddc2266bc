/* Short words after something was done elsewhere than where one looks; errors stay with what caused them. */
import { useEffect, useSyncExternalStore } from "react";
import { common } from "~/text/common";
import { IconButton } from "./button";
import { Notice, type NoticeTone } from "./notice";

interface Toast {
  id: number;
  tone: NoticeTone;
  text: string;
}

const SHOWN_MS = 6000;
let toasts: readonly Toast[] = [];
let last = 0;
const watchers = new Set<() => void>();

function set(next: readonly Toast[]): void {
  toasts = next;
  for (const w of watchers) w();
}

export function toast(text: string, tone: NoticeTone = "ok"): void {
  last += 1;
  set([...toasts.slice(-3), { id: last, tone, text }]);
}

function ToastView({ toast: t }: { toast: Toast }) {
  useEffect(() => {
    const timer = setTimeout(() => set(toasts.filter((x) => x.id !== t.id)), SHOWN_MS);
    return () => clearTimeout(timer);
  }, [t.id]);
  return (
    <div className="rounded-md bg-raised shadow-lg">
      <Notice tone={t.tone} actions={<IconButton icon="cross" label={common.close} className="-my-1 size-6" onClick={() => set(toasts.filter((x) => x.id !== t.id))} />}>
        {t.text}
      </Notice>
    </div>
  );
}

export function Toasts() {
  const list = useSyncExternalStore(
    (w) => {
      watchers.add(w);
      return () => watchers.delete(w);
    },
    () => toasts,
  );
  return (
    <div role="status" aria-live="polite" className="fixed right-4 bottom-4 z-50 grid w-80 max-w-[calc(100vw-2rem)] gap-2">
      {list.map((t) => (
        <ToastView key={t.id} toast={t} />
      ))}
    </div>
  );
}
