import type { ButtonHTMLAttributes, ReactNode } from "react";
import { Link, type LinkProps } from "react-router";
import { cx } from "./classes";
import { Icon, type IconName } from "./icons";

export type Tone = "primary" | "plain" | "danger" | "quiet";

const tones: Record<Tone, string> = {
  primary: "border-transparent bg-accent text-on-accent hover:bg-accent-strong",
  plain: "border-line-strong bg-surface text-ink hover:bg-sunken",
  danger: "border-transparent bg-bad text-on-bad hover:opacity-90",
  quiet: "border-transparent bg-transparent text-muted hover:bg-sunken hover:text-ink",
};

const base =
  "inline-flex min-h-8 items-center justify-center gap-1.5 rounded-md border px-3 text-sm font-medium whitespace-nowrap transition-colors aria-disabled:opacity-60 aria-pressed:bg-accent-soft disabled:opacity-60 max-sm:min-h-10";

interface Look {
  tone?: Tone;
  icon?: IconName;
  children?: ReactNode;
}

/** busy: the click is on its way; the button keeps its size and name, and takes no second click. */
export function Button({ tone = "plain", icon, busy = false, children, className, type = "button", disabled, ...rest }: Look & { busy?: boolean } & ButtonHTMLAttributes<HTMLButtonElement>) {
  return (
    <button {...rest} type={type} disabled={(disabled ?? false) || busy} aria-busy={busy} className={cx(base, tones[tone], className)}>
      {busy ? <Icon name="work" className="size-4 shrink-0 animate-spin" /> : icon && <Icon name={icon} />}
      {children}
    </button>
  );
}

export function ButtonLink({ tone = "plain", icon, children, className, ...rest }: Look & LinkProps) {
  return (
    <Link {...rest} className={cx(base, tones[tone], className)}>
      {icon && <Icon name={icon} />}
      {children}
    </Link>
  );
}

/** A button that shows only an icon; the label is its name and its tooltip. */
export function IconButton({ icon, label, className, ...rest }: { icon: IconName; label: string } & ButtonHTMLAttributes<HTMLButtonElement>) {
  return (
    <button
      type="button"
      {...rest}
      aria-label={label}
      title={label}
      className={cx("inline-flex size-8 items-center justify-center rounded-md text-muted transition-colors hover:bg-sunken hover:text-ink disabled:opacity-50 max-sm:size-10", className)}
    >
      <Icon name={icon} />
    </button>
  );
}
