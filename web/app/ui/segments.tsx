/* A choice of a few, all of them visible. */
import { useId } from "react";
import type { Choice } from "./field";
import { cx } from "./classes";

export function Segments({ label, value, choices, onChoose, showLabel = false }: { label: string; value: string; choices: readonly Choice[]; onChoose: (value: string) => void; showLabel?: boolean }) {
  const name = useId();
  return (
    <fieldset className="min-w-0">
      <legend className={showLabel ? "mb-1 text-sm font-medium" : "sr-only"}>{label}</legend>
      <div className="inline-flex max-w-full flex-wrap gap-0.5 rounded-md bg-sunken p-0.5">
        {choices.map((c) => (
          <label
            key={c.value}
            className={cx(
              "inline-flex min-h-7 cursor-pointer items-center rounded-sm px-3 text-sm has-[:focus-visible]:outline-2 has-[:focus-visible]:outline-accent max-sm:min-h-10",
              c.value === value ? "bg-surface font-medium text-ink shadow-sm" : "text-muted hover:text-ink",
            )}
          >
            <input type="radio" name={name} value={c.value} checked={c.value === value} onChange={() => onChoose(c.value)} className="sr-only" />
            {c.label}
          </label>
        ))}
      </div>
    </fieldset>
  );
}
