import { useId } from "react";
import { TextField } from "~/ui/field";

/** A port, with those that the service is known to listen on as suggestions. */
export function PortField({ label, hint, value, onValue, errors, known }: { label: string; hint?: string; value: string; onValue: (value: string) => void; errors: readonly string[]; known: readonly number[] }) {
  const id = useId();
  return (
    <>
      <TextField label={label} hint={hint} inputMode="numeric" list={id} value={value} onChange={(e) => onValue(e.target.value)} errors={errors} className="max-w-40" />
      <datalist id={id}>
        {known.map((p) => (
          <option key={p} value={p} />
        ))}
      </datalist>
    </>
  );
}
