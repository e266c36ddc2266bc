import { common } from "~/text/common";
import { Skeleton } from "~/ui/states";

/** Before the first page is there. */
export function Waiting() {
  return (
    <div role="status" aria-label={common.loading} className="mx-auto grid max-w-6xl gap-4 p-4">
      <Skeleton className="h-8 w-full" />
      <Skeleton className="h-40 w-full" />
    </div>
  );
}
