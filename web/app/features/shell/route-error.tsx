/* A page that could not be shown: what it needed could not be fetched (an upgrade took its files along, or
 * the connection is gone), or it has a defect. */
import { useRouteError } from "react-router";
import { asApiError } from "~/api/error";
import { common } from "~/text/common";
import { Button } from "~/ui/button";
import { Empty } from "~/ui/states";

export function RouteError() {
  const error = useRouteError();
  const fetching = error instanceof TypeError && /fetch|import|module/i.test(error.message);
  const t = fetching ? common.errors.offline : common.errors.page;

  return (
    <div className="p-4" role="alert">
      <Empty
        icon="warn"
        title={t.title}
        actions={
          <Button icon="refresh" onClick={() => window.location.reload()}>
            {common.errors.reload}
          </Button>
        }
      >
        <p>{t.what}</p>
        {!fetching && error instanceof Error && <p className="mt-2 font-mono text-sm">{asApiError(error).message === "offline" ? error.message : asApiError(error).message}</p>}
      </Empty>
    </div>
  );
}
