import { useTrial } from "~/api/trial";
import { shell as t } from "~/text/shell";
import { Notice } from "~/ui/notice";

/** Says that changes are refused because an upgrade is being checked. */
export function TrialBanner() {
  const on = useTrial();
  return (
    <div role="status" className="mx-auto w-full max-w-6xl px-4 sm:px-6 [&>*]:mt-3">
      {on && (
        <Notice tone="info" title={t.trial.title}>
          {t.trial.what}
        </Notice>
      )}
    </div>
  );
}
