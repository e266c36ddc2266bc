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

/** What a text field of a form needs: its value, what typing does, what the last try said of it. */
export function fieldsOf<T extends object>(form: T, setForm: (form: T) => void, error: Error | null) {
  return <K extends keyof T & string>(name: T[K] extends string ? K : never) => ({
    value: form[name] as string,
    onChange: (e: { target: { value: string } }) => setForm({ ...form, [name]: e.target.value }),
    errors: errorsOf(error, name),
  });
}

/** Why a wish that belongs to no form was refused. */
export function Refused({ error }: { error: Error | null }) {
  if (!error) return null;
  return (
    <Notice tone="bad" role="alert">
      {formErrors(asApiError(error), []).map((e) => (
        <p key={e}>{e}</p>
      ))}
    </Notice>
  );
}
