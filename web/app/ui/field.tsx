/* Fields of forms: the label always visible, what is wrong beside the field, in the API's words. */
import { type InputHTMLAttributes, type ReactNode, type SelectHTMLAttributes, type TextareaHTMLAttributes, useId } from "react";
import { common } from "~/text/common";
import { cx } from "./classes";

interface FieldProps {
  label: string;
  hint?: ReactNode;
  errors?: readonly string[];
  optional?: boolean;
  hideLabel?: boolean;
}

const control =
  "w-full rounded-md border border-line-strong bg-surface px-2.5 text-base text-ink transition-colors aria-invalid:border-bad disabled:bg-sunken disabled:text-muted max-sm:text-lg";

function useDescription(id: string, hint: ReactNode, errors: readonly string[]): string | undefined {
  const ids = [hint ? `${id}-hint` : "", errors.length ? `${id}-error` : ""].filter(Boolean);
  return ids.length ? ids.join(" ") : undefined;
}

function Frame({ id, label, hint, errors, optional, hideLabel, children }: FieldProps & { id: string; children: ReactNode }) {
  return (
    <div className="grid gap-1">
      <label htmlFor={id} className={cx("text-sm font-medium", hideLabel && "sr-only")}>
        {label}
        {optional && <span className="font-normal text-muted"> ({common.optional})</span>}
      </label>
      {children}
      {hint && (
        <p id={`${id}-hint`} className="text-sm text-muted">
          {hint}
        </p>
      )}
      <FieldErrors id={`${id}-error`} errors={errors ?? []} />
    </div>
  );
}

export function FieldErrors({ id, errors }: { id?: string; errors: readonly string[] }) {
  if (!errors.length) return null;
  return (
    <ul id={id} className="text-sm text-bad">
      {errors.map((e) => (
        <li key={e}>{e}</li>
      ))}
    </ul>
  );
}

export function TextField({ label, hint, errors = [], optional, hideLabel, className, mono, ...rest }: FieldProps & { mono?: boolean } & InputHTMLAttributes<HTMLInputElement>) {
  const id = useId();
  return (
    <Frame id={id} {...frame({ label, hint, errors, optional, hideLabel })}>
      <input
        type="text"
        autoComplete="off"
        {...rest}
        id={id}
        aria-invalid={errors.length > 0}
        aria-describedby={useDescription(id, hint, errors)}
        className={cx(control, "h-9 max-sm:h-11", mono && "font-mono", className)}
      />
    </Frame>
  );
}

export function TextArea({ label, hint, errors = [], optional, hideLabel, className, mono, rows = 4, ...rest }: FieldProps & { mono?: boolean } & TextareaHTMLAttributes<HTMLTextAreaElement>) {
  const id = useId();
  return (
    <Frame id={id} {...frame({ label, hint, errors, optional, hideLabel })}>
      <textarea
        {...rest}
        rows={rows}
        id={id}
        spellCheck={mono ? false : undefined}
        aria-invalid={errors.length > 0}
        aria-describedby={useDescription(id, hint, errors)}
        className={cx(control, "py-1.5", mono && "font-mono text-sm", className)}
      />
    </Frame>
  );
}

export interface Choice {
  value: string;
  label: string;
}

export function SelectField({ label, hint, errors = [], optional, hideLabel, className, choices, ...rest }: FieldProps & { choices: readonly Choice[] } & SelectHTMLAttributes<HTMLSelectElement>) {
  const id = useId();
  return (
    <Frame id={id} {...frame({ label, hint, errors, optional, hideLabel })}>
      <select {...rest} id={id} aria-invalid={errors.length > 0} aria-describedby={useDescription(id, hint, errors)} className={cx(control, "h-9 max-sm:h-11", className)}>
        {choices.map((c) => (
          <option key={c.value} value={c.value}>
            {c.label}
          </option>
        ))}
      </select>
    </Frame>
  );
}

export function CheckField({ label, hint, errors = [], className, ...rest }: Omit<FieldProps, "optional" | "hideLabel"> & InputHTMLAttributes<HTMLInputElement>) {
  const id = useId();
  return (
    <div className={cx("grid gap-1", className)}>
      <div className="flex items-start gap-2">
        <input {...rest} type="checkbox" id={id} aria-invalid={errors.length > 0} aria-describedby={useDescription(id, hint, errors)} className="mt-1 size-4 accent-accent" />
        <label htmlFor={id} className="text-sm font-medium">
          {label}
        </label>
      </div>
      {hint && (
        <p id={`${id}-hint`} className="pl-6 text-sm text-muted">
          {hint}
        </p>
      )}
      <FieldErrors id={`${id}-error`} errors={errors} />
    </div>
  );
}

/* exactOptionalPropertyTypes: what is not given is left out. */
function frame(p: { label: string; hint: ReactNode; errors: readonly string[]; optional: boolean | undefined; hideLabel: boolean | undefined }): FieldProps {
  return { label: p.label, hint: p.hint, errors: p.errors, optional: p.optional ?? false, hideLabel: p.hideLabel ?? false };
}
