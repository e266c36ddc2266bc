/* The one way to the API: typed by its document, with a deadline, the token against cross-site requests,
 * and errors as ApiError. */
import createClient, { type Middleware } from "openapi-fetch";
import { asApiError, errorOf } from "./error";
import type { paths } from "./schema";

const DEADLINE_MS = 20_000;

function cookie(name: string): string | null {
  const found = document.cookie.split("; ").find((c) => c.startsWith(`${name}=`));
  return found ? decodeURIComponent(found.slice(name.length + 1)) : null;
}

async function csrfToken(): Promise<string> {
  const known = cookie("csrftoken");
  if (known) return known;
  await fetch("/api/csrf/", { credentials: "same-origin", signal: AbortSignal.timeout(DEADLINE_MS) });
  return cookie("csrftoken") ?? "";
}

const forOurServer: Middleware = {
  async onRequest({ request }) {
    if (request.method !== "GET") request.headers.set("X-CSRFToken", await csrfToken());
    return request;
  },
};

async function send(request: Request): Promise<Response> {
  const signal = AbortSignal.any([request.signal, AbortSignal.timeout(DEADLINE_MS)]);
  try {
    return await fetch(new Request(request, { signal }));
  } catch (e) {
    if (request.signal.aborted) throw e;
    throw asApiError(e);
  }
}

export const api = createClient<paths>({ baseUrl: "/", credentials: "same-origin", fetch: send });
api.use(forOurServer);

/** The data of an answer; throws ApiError for any other. */
export async function data<T>(answer: Promise<{ data?: T; error?: unknown; response: Response }>): Promise<T> {
  const { data: ret, error, response } = await answer;
  if (!response.ok) throw errorOf(response, error);
  return ret as T; // 204: undefined, as the document says
}
