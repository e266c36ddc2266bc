/* A part that a service has once, or not at all: a form, with what is deployed where a change waits. */
import { type ReactNode, useState } from "react";
import type { ServicePath } from "~/api/keys";
import type { Service, ServiceChangeRequest } from "~/api/types";
import { common } from "~/text/common";
import { Button } from "~/ui/button";
import { errorsOf, Form, Refused } from "~/ui/form";
import { Panel } from "~/ui/layout";
import { useWish } from "./data";
import { single, type SingleField, type SingleValues } from "./overlay";
import { WaitingNotice } from "./waiting";

export interface SingleKind<F extends SingleField, D> {
  field: F;
  id: string;
  title: string;
  lead: string;
  describe: (value: SingleValues[F] | null) => ReactNode;
  draft: (value: SingleValues[F] | null) => D;
  body: (draft: D) => unknown; // new_value
  paths: readonly string[]; // below new_value; "" is the value itself
  fields: (props: { draft: D; set: (draft: D) => void; errors: (path: string) => string[] }) => ReactNode;
}

function full(path: string): string {
  return path ? `new_value.${path}` : "new_value";
}

export function SingleSection<F extends SingleField, D>({ path, service, kind }: { path: ServicePath; service: Service; kind: SingleKind<F, D> }) {
  const { value, old, change } = single(service, kind.field);
  const undo = useWish(path);

  return (
    <Panel id={kind.id} title={kind.title} lead={kind.lead}>
      <div className="grid grid-cols-1 gap-4">
        {change && <WaitingNotice old={service.image === null ? null : kind.describe(old)} busy={undo.isPending} onUndo={() => undo.mutate({ body: null, instead: change })} />}
        <Refused error={undo.error} />
        {/* what another person changes meanwhile starts the form anew */}
        <SingleForm key={JSON.stringify(value)} path={path} value={value} kind={kind} />
      </div>
    </Panel>
  );
}

function SingleForm<F extends SingleField, D>({ path, value, kind }: { path: ServicePath; value: SingleValues[F] | null; kind: SingleKind<F, D> }) {
  const begin = kind.draft(value);
  const [draft, setDraft] = useState(begin);
  const save = useWish(path);
  const same = JSON.stringify(draft) === JSON.stringify(begin);

  return (
    <Form
      label={kind.title}
      error={save.error}
      fields={kind.paths.map(full)}
      onSubmit={() => {
        if (!same) save.mutate({ body: { field: kind.field, type: "UPDATE", new_value: kind.body(draft) } as ServiceChangeRequest, instead: null });
      }}
    >
      {kind.fields({ draft, set: setDraft, errors: (p) => errorsOf(save.error, full(p)) })}
      <div className="flex gap-2">
        <Button type="submit" tone={same ? "plain" : "primary"} aria-disabled={same} busy={save.isPending}>
          {common.save}
        </Button>
        {!same && (
          <Button
            tone="quiet"
            onClick={() => {
              setDraft(begin);
              save.reset();
            }}
          >
            {common.cancel}
          </Button>
        )}
      </div>
    </Form>
  );
}
