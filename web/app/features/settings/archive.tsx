/* Archiving: says by name what goes, and asks for a name. */
import { type ReactNode, useState } from "react";
import type { UseMutationResult } from "@tanstack/react-query";
import { places as t } from "~/text/places";
import { Button } from "~/ui/button";
import { ConfirmDialog } from "~/ui/dialog";
import { Panel } from "~/ui/layout";
import { type DoomedEnvironment, type DoomedService } from "./removals";

export function ArchivePanel({ title, lead, name, mutation, children }: { title: string; lead: string; name: string; mutation: UseMutationResult<unknown, Error, void>; children: ReactNode }) {
  const [open, setOpen] = useState(false);

  return (
    <Panel
      title={title}
      lead={lead}
      tone="danger"
      id="archive"
      actions={
        <Button
          tone="danger"
          icon="trash"
          onClick={() => {
            mutation.reset();
            setOpen(true);
          }}
        >
          {t.doomed.open}
        </Button>
      }
    >
      <ConfirmDialog
        open={open}
        title={t.doomed.title(name)}
        action={t.doomed.action(name)}
        name={name}
        busy={mutation.isPending}
        error={mutation.error}
        onConfirm={() => mutation.mutate()}
        onClose={() => setOpen(false)}
      >
        {children}
      </ConfirmDialog>
      <p className="text-sm text-muted">{t.doomed.backup}</p>
    </Panel>
  );
}

function Named({ label, names }: { label: string; names: readonly string[] }) {
  if (!names.length) return null;
  return (
    <p>
      <span className="text-muted">{label}: </span>
      <span className="font-mono text-sm">{names.join(", ")}</span>
    </p>
  );
}

export function DoomedServiceFacts({ service: s }: { service: DoomedService }) {
  return (
    <div className="grid gap-0.5 text-sm">
      <Named label={t.doomed.volumes} names={s.volumes} />
      <Named label={t.doomed.domains} names={s.domains} />
      <p>{t.doomed.deployments(s.deployments)}</p>
    </div>
  );
}

function sum(services: readonly DoomedService[], of: (s: DoomedService) => number): number {
  return services.reduce((n, s) => n + of(s), 0);
}

export function DoomedEnvironments({ environments }: { environments: readonly DoomedEnvironment[] }) {
  return (
    // eslint-disable-next-line jsx-a11y/no-noninteractive-tabindex -- scrolls by keyboard
    <div role="region" aria-label={t.doomed.lead} tabIndex={0} className="max-h-[45dvh] overflow-y-auto">
      <ul className="grid gap-3">
        {environments.map((e) => (
          <li key={e.name} className="grid gap-2 rounded-md bg-sunken p-3">
            <p>
              <span className="font-semibold">{e.name}</span>{" "}
              <span className="text-sm text-muted">
                {e.services.length ? t.doomed.counts(e.services.length, sum(e.services, (s) => s.volumes.length), sum(e.services, (s) => s.domains.length)) : t.doomed.noServices}
                {e.variables > 0 && `, ${t.doomed.sharedVariables(e.variables)}`}
              </span>
            </p>
            {e.services.map((s) => (
              <div key={s.slug} className="border-l-2 border-line-strong pl-2">
                <p className="font-medium">{s.slug}</p>
                <DoomedServiceFacts service={s} />
              </div>
            ))}
          </li>
        ))}
      </ul>
    </div>
  );
}
