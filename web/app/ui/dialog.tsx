/* Dialogs on the browser's own <dialog>: focus stays inside, Escape closes, the page behind is inert. The
 * strict content policy leaves no room for primitives that write style elements (docs/decisions/0010). */
import { type ReactNode, useEffect, useId, useRef, useState } from "react";
import { common } from "~/text/common";
import { Button, IconButton } from "./button";
import { cx } from "./classes";
import { TextField } from "./field";
import { Form } from "./form";

/** Rendered while open: what it holds starts anew each time. */
export function Dialog({ open, ...rest }: DialogProps & { open: boolean }) {
  return open ? <OpenDialog {...rest} /> : null;
}

interface DialogProps {
  title: string;
  onClose: () => void;
  children: ReactNode;
  wide?: boolean;
  side?: boolean; // a drawer at the right edge
}

function OpenDialog({ title, onClose, children, wide, side }: DialogProps) {
  const ref = useRef<HTMLDialogElement>(null);
  const id = useId();

  useEffect(() => {
    const dialog = ref.current;
    const before = document.activeElement;
    dialog?.showModal();
    return () => {
      dialog?.close();
      if (before instanceof HTMLElement && before.isConnected) before.focus();
    };
  }, []);

  return (
    // eslint-disable-next-line jsx-a11y/no-noninteractive-element-interactions, jsx-a11y/click-events-have-key-events -- Escape does the same
    <dialog
      ref={ref}
      aria-labelledby={id}
      onCancel={(e) => {
        e.preventDefault();
        onClose();
      }}
      onClick={(e) => {
        if (e.target === ref.current) onClose();
      }}
      className={cx(
        "w-full border border-line bg-raised p-0 text-ink shadow-xl",
        side ? "m-0 ml-auto h-dvh max-h-dvh max-w-2xl" : "m-auto max-h-[calc(100dvh-2rem)] max-w-[calc(100vw-2rem)] rounded-lg",
        !side && (wide ? "sm:max-w-3xl" : "sm:max-w-lg"),
      )}
    >
      <div className="grid gap-4 p-4 sm:p-5">
        <header className="flex items-start justify-between gap-3">
          <h2 id={id} className="text-lg font-semibold">
            {title}
          </h2>
          <IconButton icon="cross" label={common.close} onClick={onClose} className="-mt-1 -mr-1" />
        </header>
        {children}
      </div>
    </dialog>
  );
}

/** Asks before something is destroyed. name: what must be typed, for what cannot be brought back. */
export function ConfirmDialog({
  open,
  title,
  children,
  action,
  name,
  tone = "danger",
  busy = false,
  error = null,
  onConfirm,
  onClose,
}: {
  open: boolean;
  title: string;
  children: ReactNode;
  action: string;
  name?: string;
  tone?: "danger" | "primary";
  busy?: boolean;
  error?: Error | null;
  onConfirm: () => void;
  onClose: () => void;
}) {
  return (
    <Dialog open={open} title={title} onClose={onClose}>
      <ConfirmForm action={action} tone={tone} name={name ?? null} busy={busy} error={error} onConfirm={onConfirm} onClose={onClose}>
        {children}
      </ConfirmForm>
    </Dialog>
  );
}

function ConfirmForm({ children, action, tone, name, busy, error, onConfirm, onClose }: { children: ReactNode; action: string; tone: "danger" | "primary"; name: string | null; busy: boolean; error: Error | null; onConfirm: () => void; onClose: () => void }) {
  const [typed, setTyped] = useState("");
  const [asked, setAsked] = useState(false);
  const right = name === null || typed === name;

  return (
    <Form
      error={error}
      onSubmit={() => {
        setAsked(true);
        if (right) onConfirm();
      }}
    >
      <div className="grid gap-2">{children}</div>
      {name !== null && <TextField label={common.confirm.type(name)} value={typed} onChange={(e) => setTyped(e.target.value)} mono errors={asked && !right ? [common.confirm.mismatch] : []} />}
      <DialogActions>
        <Button onClick={onClose}>{common.cancel}</Button>
        <Button type="submit" tone={tone} busy={busy} aria-disabled={!right}>
          {action}
        </Button>
      </DialogActions>
    </Form>
  );
}

export function DialogActions({ children }: { children: ReactNode }) {
  return <div className="flex flex-wrap justify-end gap-2 pt-1">{children}</div>;
}

/** The end of a dialog's form: away from it, or on with it. */
export function FormActions({ onClose, action, tone = "primary", busy }: { onClose: () => void; action: string; tone?: "primary" | "danger"; busy: boolean }) {
  return (
    <DialogActions>
      <Button onClick={onClose}>{common.cancel}</Button>
      <Button type="submit" tone={tone} busy={busy}>
        {action}
      </Button>
    </DialogActions>
  );
}
