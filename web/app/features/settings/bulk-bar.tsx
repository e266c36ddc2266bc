import { places } from "~/text/places";
import { Button } from "~/ui/button";
import { formErrors } from "~/ui/form";
import { Notice } from "~/ui/notice";
import { toast } from "~/ui/toast";
import { asApiError } from "~/api/error";
import type { ServiceCard } from "~/api/types";
import { type BulkAction, useBulk } from "./places-data";

const t = places.bulk;
const MOST = 100;

const said: Record<BulkAction, (n: number) => string> = { deploy: t.deployed, stop: t.asleep, start: t.awake };

/** What can be done with several services at once; all of them are taken, or none. */
export function BulkBar({ project, env, chosen, onAll, onNone, onDone }: { project: string; env: string; chosen: readonly ServiceCard[]; onAll: () => void; onNone: () => void; onDone: () => void }) {
  const bulk = useBulk(project, env, (action, n) => {
    toast(said[action](n));
    onDone();
  });
  const deployed = chosen.filter((s) => s.status !== "NOT_DEPLOYED_YET"); // others cannot sleep
  const act = (action: BulkAction) => bulk.mutate({ action, ids: (action === "deploy" ? chosen : deployed).map((s) => s.id) });
  const doing = bulk.isPending ? bulk.variables.action : null;
  const off = chosen.length === 0 || chosen.length > MOST || bulk.isPending;

  return (
    <section aria-label={t.label} className="sticky top-14 z-20 grid gap-2 rounded-lg border border-line-strong bg-raised p-3 shadow-lg">
      <div className="flex flex-wrap items-center gap-2">
        <p role="status" className="mr-auto font-medium">
          {t.chosen(chosen.length)}
        </p>
        <Button tone="quiet" onClick={chosen.length ? onNone : onAll}>
          {chosen.length ? t.none : t.all}
        </Button>
        <Button tone="primary" busy={doing === "deploy"} disabled={off} onClick={() => act("deploy")}>
          {t.deploy}
        </Button>
        <Button icon="moon" busy={doing === "stop"} disabled={off || !deployed.length} onClick={() => act("stop")}>
          {t.sleep}
        </Button>
        <Button icon="play" busy={doing === "start"} disabled={off || !deployed.length} onClick={() => act("start")}>
          {t.wake}
        </Button>
      </div>
      {chosen.length > MOST && <p className="text-sm text-muted">{t.limit}</p>}
      {deployed.length < chosen.length && <p className="text-sm text-muted">{t.neverDeployed}</p>}
      {bulk.error && (
        <Notice tone="bad" role="alert">
          {formErrors(asApiError(bulk.error), []).join(" ")}
        </Notice>
      )}
    </section>
  );
}
