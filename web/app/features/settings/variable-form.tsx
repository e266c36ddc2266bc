import { useMutation } from "@tanstack/react-query";
import { type ClipboardEvent, useState } from "react";
import { variables as t } from "~/text/variables";
import { common } from "~/text/common";
import { Button } from "~/ui/button";
import { Dialog, FormActions } from "~/ui/dialog";
import { TextArea, TextField } from "~/ui/field";
import { errorsOf, Form } from "~/ui/form";
import { looksLikeDotenv, type Variable } from "./dotenv";
import type { Item } from "./overlay";
import type { VariableActions } from "./variable-actions";

/* One line, until the value has several: an input would lose the line ends of what is pasted. */
function ValueField({ value, onValue, errors }: { value: string; onValue: (value: string) => void; errors: readonly string[] }) {
  const [several, setSeveral] = useState(value.includes("\n"));

  if (several) return <TextArea label={t.value} mono rows={4} value={value} onChange={(e) => onValue(e.target.value)} errors={errors} />;
  return (
    <div className="grid gap-1">
      <TextField
        label={t.value}
        mono
        value={value}
        onChange={(e) => onValue(e.target.value)}
        onPaste={(e: ClipboardEvent<HTMLInputElement>) => {
          const text = e.clipboardData.getData("text");
          if (!text.trim().includes("\n")) return;
          e.preventDefault();
          const { selectionStart, selectionEnd } = e.currentTarget;
          onValue(value.slice(0, selectionStart ?? value.length) + text + value.slice(selectionEnd ?? value.length));
          setSeveral(true);
        }}
        errors={errors}
      />
      <div>
        <Button tone="quiet" className="-mt-0.5 -ml-3 min-h-6" onClick={() => setSeveral(true)}>
          {t.severalLines}
        </Button>
      </div>
    </div>
  );
}

function useSave(actions: VariableActions, row: Item<Variable> | null, onDone: (saved: Variable) => void) {
  return useMutation({ mutationFn: (v: Variable) => actions.save(v, row), onSuccess: (_, saved) => onDone(saved) });
}

const EMPTY = { key: "", value: "", made: 0 };

/** onText: a whole file was pasted where the name goes. */
export function AddVariable({ actions, onText }: { actions: VariableActions; onText: (text: string) => void }) {
  const [form, setForm] = useState(EMPTY);
  // The list shows it before its answer is here: what has been typed since is the next one, and stays.
  const save = useSave(actions, null, (saved) =>
    setForm((now) => (now.key.trim() === saved.key && now.value === saved.value ? { ...EMPTY, made: now.made + 1 } : now)),
  );

  return (
    <Form label={t.add} error={save.error} fields={actions.paths} onSubmit={() => save.mutate({ key: form.key.trim(), value: form.value })}>
      <div className="grid items-start gap-3 sm:grid-cols-2">
        <TextField
          label={t.key}
          mono
          autoCapitalize="none"
          hint={t.keyHint}
          value={form.key}
          onChange={(e) => setForm({ ...form, key: e.target.value })}
          onPaste={(e) => {
            const text = e.clipboardData.getData("text");
            if (!looksLikeDotenv(text)) return;
            e.preventDefault();
            onText(text);
          }}
          errors={errorsOf(save.error, actions.paths[0])}
        />
        <ValueField key={form.made} value={form.value} onValue={(value) => setForm({ ...form, value })} errors={errorsOf(save.error, actions.paths[1])} />
      </div>
      <div>
        <Button type="submit" icon="plus" busy={save.isPending}>
          {t.add}
        </Button>
      </div>
    </Form>
  );
}

export function EditVariable({ actions, row, onClose }: { actions: VariableActions; row: Item<Variable>; onClose: () => void }) {
  const [form, setForm] = useState<Variable>({ key: row.value.key, value: row.value.value });
  const save = useSave(actions, row, onClose);

  return (
    <Dialog open title={t.edit(row.value.key)} onClose={onClose}>
      <Form error={save.error} fields={actions.paths} onSubmit={() => save.mutate({ ...form, key: form.key.trim() })}>
        <TextField label={t.key} mono autoCapitalize="none" value={form.key} onChange={(e) => setForm({ ...form, key: e.target.value })} errors={errorsOf(save.error, actions.paths[0])} />
        <ValueField value={form.value} onValue={(value) => setForm({ ...form, value })} errors={errorsOf(save.error, actions.paths[1])} />
        <FormActions onClose={onClose} action={common.save} busy={save.isPending} />
      </Form>
    </Dialog>
  );
}
