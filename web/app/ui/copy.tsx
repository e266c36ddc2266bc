import { useEffect, useState } from "react";
import { common } from "~/text/common";
import { IconButton } from "./button";
import { cx } from "./classes";

const SHOWN_MS = 1500;

/* Browsers lend the clipboard to secure pages alone; a platform without a certificate yet has the old way. */
export async function copyText(text: string): Promise<boolean> {
  try {
    if (window.isSecureContext) {
      await navigator.clipboard.writeText(text);
      return true;
    }
  } catch {
    /* the way below */
  }
  const box = document.createElement("textarea");
  box.value = text;
  box.setAttribute("readonly", "");
  box.className = "fixed -left-full";
  (document.querySelector("dialog[open]") ?? document.body).append(box);
  box.select();
  const done = document.execCommand("copy"); // eslint-disable-line @typescript-eslint/no-deprecated
  box.remove();
  return done;
}

export function CopyButton({ text, label = common.copy }: { text: string; label?: string }) {
  const [done, setDone] = useState(false);

  useEffect(() => {
    if (!done) return;
    const t = setTimeout(() => setDone(false), SHOWN_MS);
    return () => clearTimeout(t);
  }, [done]);
  return (
    <>
      <IconButton icon={done ? "check" : "copy"} label={label} onClick={() => void copyText(text).then(setDone)} className="size-7" />
      <span role="status" className="sr-only">
        {done ? common.copied : ""}
      </span>
    </>
  );
}

/** A whole line to take away: a token, a link. name: what it is, for whoever cannot see the place. */
export function CopyBox({ text, name }: { text: string; name: string }) {
  return (
    <div role="group" aria-label={name} className="flex items-start gap-1 rounded-md bg-sunken p-2">
      <code className="min-w-0 flex-1 text-sm break-all">{text}</code>
      <CopyButton text={text} label={`${common.copy}: ${name}`} />
    </div>
  );
}

/** Text for machines, such as an id, with a button that copies all of it. short: characters shown. */
export function CopyText({ text, short, className }: { text: string; short?: number; className?: string }) {
  return (
    <span className={cx("inline-flex items-center gap-0.5 font-mono text-sm", className)}>
      <span title={text}>{short && text.length > short ? `${text.slice(0, short)}…` : text}</span>
      <CopyButton text={text} label={`${common.copy} ${text}`} />
    </span>
  );
}
