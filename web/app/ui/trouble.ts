import type { ApiError } from "~/api/error";
import { common } from "~/text/common";

/** What happened and what to do about it, in words. */
export function troubleText(error: ApiError): { title: string; what: string } {
  const t = common.errors;

  if (error.status === 403) return { ...t.denied, what: error.errors[0]?.detail ?? t.denied.what };
  if (error.status === 404) return t.notFound;
  if (error.status === 429) return { title: t.refused.title, what: t.throttled(error.retryAfterS ?? 60) };
  if (error.has("upgrading")) return t.upgrading;
  if (error.status === 503 && error.trouble === "server") return { ...t.unavailable, what: error.errors[0]?.detail ?? t.unavailable.what };
  switch (error.trouble) {
    case "offline":
      return t.offline;
    case "timeout":
      return t.timeout;
    case "starting":
      return t.starting;
    case "server":
      return t.server;
    case "refused":
      return { title: t.refused.title, what: error.errors.map((e) => e.detail).join(" ") };
  }
}
