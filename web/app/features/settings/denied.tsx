import { places as t } from "~/text/places";
import { Notice } from "~/ui/notice";

/** Instead of what only admins can do. */
export function AdminsOnly() {
  return <Notice>{t.adminsOnly}</Notice>;
}
