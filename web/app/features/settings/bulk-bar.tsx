import { places } from "~/text/places";
import { Button } from "~/ui/button";
import { formErrors } from "~/ui/form";
import { Notice } from "~/ui/notice";
import { toast } from "~/ui/toast";
import { asApiError } from "~/api/error";
import { type BulkAction, useBulk } from "./places-data";

const t = places.bulk;
const MOST = 100;

const said: Record<BulkAction, (n: number) => string> = { deploy: t.deployed, stop: t.asleep, start: t.awake };

/** What can be done with several services at once; all of them are taken, or none. */
export function BulkBar({ project, env, ids, onAll, onNone, onDone }: { project: string; env: string; ids: readonly string[]; onAll: () => void; onNone: () => void; onDone: () => void }) {
  const bulk = useBulk(project, env, (action, n) => {
    toast(said[action](n));
    onDone();
  });
  const act = (action: BulkAction) => bulk.mutate({ action, ids: [...ids] });
  const doing = bulk.isPending ? bulk.variables.action : null;
  const off = ids.length === 0 || ids.length > MOST || bulk.isPending;

  return (
    <section aria-label={t.label} className="sticky top-14 z-20 grid gap-2 rounded-lg border border-line-strong bg-raised p-3 shadow-lg">
      <div className="flex flex-wrap items-center gap-2">
        <p role="status" className="mr-auto font-medium">
          {t.chosen(ids.length)}
        </p>
        <Button tone="quiet" onClick={ids.length ? onNone : onAll}>
          {ids.length ? t.none : t.all}
        </Button>
        <Button tone="primary" icon="play" busy={doing === "deploy"} disabled={off} onClick={() => act("deploy")}>
          {t.deploy}
        </Button>
        <Button icon="moon" busy={doing === "stop"} disabled={off} onClick={() => act("stop")}>
          {t.sleep}
        </Button>
        <Button icon="refresh" busy={doing === "start"} disabled={off} onClick={() => act("start")}>
          {t.wake}
        </Button>
      </div>
      <p className="text-sm text-muted">{ids.length > MOST ? t.limit : t.neverDeployed}</p>
      {bulk.error && (
        <Notice tone="bad" role="alert">
          {formErrors(asApiError(bulk.error), []).join(" ")}
        </Notice>
      )}
    </section>
  );
}
