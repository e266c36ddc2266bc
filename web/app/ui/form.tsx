/* A form that sends one mutation: errors that belong to no field are shown above it, nothing is cleared. */
import type { ReactNode, SyntheticEvent } from "react";
import { type ApiError, asApiError } from "~/api/error";
import { cx } from "./classes";
import { Notice } from "./notice";
import { troubleText } from "./trouble";

/** error: what the last try said; fields: the paths that the form shows beside their fields. */
export function Form({ onSubmit, error, fields = [], children, className, label }: { onSubmit: () => void; error: Error | null; fields?: readonly string[]; children: ReactNode; className?: string; label?: string }) {
  const wrong = error ? formErrors(asApiError(error), fields) : [];

  return (
    <form
      noValidate
      aria-label={label}
      className={cx("grid gap-4", className)}
      onSubmit={(e: SyntheticEvent) => {
        e.preventDefault();
        onSubmit();
      }}
    >
      {wrong.length > 0 && (
        <Notice tone="bad" role="alert">
          {wrong.map((w) => (
            <p key={w}>{w}</p>
          ))}
        </Notice>
      )}
      {children}
    </form>
  );
}

/** What a form has to say that is said beside none of its fields. */
export function formErrors(error: ApiError, fields: readonly string[]): string[] {
  if (error.errors.length) return error.besides(fields);
  const t = troubleText(error);
  return [t.what ? `${t.title}. ${t.what}` : `${t.title}.`];
}

/** The messages for a field of the last try. */
export function errorsOf(error: Error | null, path: string): string[] {
  return error ? asApiError(error).of(path) : [];
}
