import { NotYet } from "~/features/system/not-yet";
import { system as t } from "~/text/system";

export default function SystemBackups() {
  return <NotYet text={t.noBackups} />;
}
