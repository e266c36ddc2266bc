import { logs } from "~/text/logs";
import { Empty } from "~/ui/states";

/** Has no API yet, and says so. */
export default function ServiceMetrics() {
  return (
    <Empty icon="clock" title={logs.metrics.what}>
      {logs.metrics.will}
    </Empty>
  );
}
