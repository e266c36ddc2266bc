/* The services of an environment: filtered by the address, selected for what is done with several. */
import { useDeferredValue, useState } from "react";
import { useSearchParams } from "react-router";
import type { ServiceCard as Card } from "~/api/types";
import { ServiceCard } from "~/features/environment/service-card";
import { places } from "~/text/places";
import { TextField } from "~/ui/field";
import { BulkBar } from "./bulk-bar";

const t = places.bulk;
const FILTER_FROM = 7;

export function ServiceGrid({ project, env, services, selecting, onDone }: { project: string; env: string; services: readonly Card[]; selecting: boolean; onDone: () => void }) {
  const [search, setSearch] = useSearchParams();
  const [chosen, setChosen] = useState<ReadonlySet<string>>(new Set());
  const text = search.get("q") ?? "";
  const wanted = useDeferredValue(text).trim().toLowerCase();
  const shown = wanted ? services.filter((s) => s.slug.includes(wanted) || `${s.image}:${s.tag}`.toLowerCase().includes(wanted)) : services;
  const selected = shown.filter((s) => chosen.has(s.id)); // what is out of sight is left alone

  const toggle = (id: string) => {
    const next = new Set(chosen);
    if (!next.delete(id)) next.add(id);
    setChosen(next);
  };

  return (
    <div className="grid grid-cols-1 gap-3">
      {(services.length >= FILTER_FROM || text) && (
        <TextField label={t.filter} hideLabel placeholder={t.filter} type="search" value={text} onChange={(e) => setSearch(e.target.value ? { q: e.target.value } : {}, { replace: true })} />
      )}
      {selecting && (
        <BulkBar
          project={project}
          env={env}
          chosen={selected}
          onAll={() => setChosen(new Set(shown.map((s) => s.id)))}
          onNone={() => setChosen(new Set())}
          onDone={() => {
            setChosen(new Set());
            onDone();
          }}
        />
      )}
      {shown.length === 0 && <p className="py-6 text-center text-muted">{t.noneMatch(text)}</p>}
      <ul className="grid gap-3 sm:grid-cols-2 lg:grid-cols-3">
        {shown.map((s) => (
          <ServiceCard
            key={s.id}
            project={project}
            env={env}
            service={s}
            choice={selecting && <input type="checkbox" aria-label={t.choose(s.slug)} checked={chosen.has(s.id)} onChange={() => toggle(s.id)} className="mt-1 size-4 accent-accent max-sm:size-5" />}
          />
        ))}
      </ul>
    </div>
  );
}
