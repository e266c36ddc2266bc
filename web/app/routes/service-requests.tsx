import { logs } from "~/text/logs";
import { Empty } from "~/ui/states";

/** Has no API yet, and says so. */
export default function ServiceRequests() {
  return (
    <Empty icon="clock" title={logs.requests.what}>
      {logs.requests.will}
    </Empty>
  );
}
