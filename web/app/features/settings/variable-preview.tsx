import { useMutation } from "@tanstack/react-query";
import type { ReactNode } from "react";
import { variables as t } from "~/text/variables";
import { toast } from "~/ui/toast";
import { Button } from "~/ui/button";
import { errorsOf, Form } from "~/ui/form";
import { FieldErrors } from "~/ui/field";
import { compare, parseDotenv } from "./dotenv";
import type { Item } from "./overlay";
import type { Variable } from "./dotenv";
import type { VariableActions } from "./variable-actions";

function Keys({ title, keys }: { title: string; keys: readonly string[] }) {
  if (!keys.length) return null;
  return (
    <div>
      <dt className="font-medium">{title}</dt>
      <dd className="font-mono text-sm text-muted">{keys.join(", ")}</dd>
    </div>
  );
}

/** What is wanted of the rows that are there. */
export function wantedVariables(rows: readonly Item<Variable>[]): Variable[] {
  return rows.filter((r) => r.state !== "removed").map((r) => r.value);
}

/** Takes the variables of a text over, and says before what that does. children: where the text comes from. */
export function TakeText({ text, rows, actions, onDone, children }: { text: string; rows: readonly Item<Variable>[]; actions: VariableActions; onDone: () => void; children?: ReactNode }) {
  const parsed = parseDotenv(text);
  const difference = parsed.ok ? compare(wantedVariables(rows), parsed.variables) : null;
  const n = difference ? difference.added.length + difference.changed.length : 0;
  const take = useMutation({
    mutationFn: async () => {
      if (difference) await actions.take(text, difference.added, difference.changed, rows);
    },
    onSuccess: () => {
      toast(t.preview.takenOver);
      onDone();
    },
  });

  return (
    <Form label={t.preview.title} error={take.error} fields={["new_value"]} onSubmit={() => n > 0 && take.mutate()}>
      {children}
      <FieldErrors errors={parsed.ok ? errorsOf(take.error, "new_value") : parsed.bad.slice(0, 8).map(t.lines)} />
      {difference && (
        <section aria-label={t.preview.title} aria-live="polite" className="grid gap-2 rounded-md bg-sunken p-3">
          {n === 0 ? (
            <p>{t.preview.nothing}</p>
          ) : (
            <dl className="grid gap-2">
              <Keys title={t.preview.added(difference.added.length)} keys={difference.added.map((v) => v.key)} />
              <Keys title={t.preview.changed(difference.changed.length)} keys={difference.changed.map((v) => v.key)} />
              <Keys title={t.preview.same(difference.same.length)} keys={difference.same} />
            </dl>
          )}
          {difference.stay.length > 0 && <p className="text-sm text-muted">{t.preview.stay(difference.stay)}</p>}
        </section>
      )}
      <div>
        <Button type="submit" tone="primary" busy={take.isPending} aria-disabled={n === 0}>
          {n > 0 ? t.preview.action(n) : t.take}
        </Button>
      </div>
    </Form>
  );
}
