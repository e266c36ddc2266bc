/* What the API says went wrong, or why there was no answer at all. */

export interface FieldError {
  code: string;
  detail: string;
  attr: string | null;
}

export type Trouble = "offline" | "timeout" | "starting" | "refused" | "server";

export class ApiError extends Error {
  readonly status: number; // 0: no answer
  readonly trouble: Trouble;
  readonly errors: readonly FieldError[];
  readonly requestId: string | null;
  readonly retryAfterS: number | null;

  constructor(init: {
    status: number;
    trouble: Trouble;
    errors?: readonly FieldError[];
    requestId?: string | null;
    retryAfterS?: number | null;
  }) {
    super(init.errors?.[0]?.detail ?? init.trouble);
    this.name = "ApiError";
    this.status = init.status;
    this.trouble = init.trouble;
    this.errors = init.errors ?? [];
    this.requestId = init.requestId ?? null;
    this.retryAfterS = init.retryAfterS ?? null;
  }

  /** The messages for a field, by its dotted path ("new_value.domain"). */
  of(path: string): string[] {
    return this.errors.filter((e) => e.attr === path).map((e) => e.detail);
  }

  /** The messages that belong to none of these fields. */
  besides(paths: readonly string[]): string[] {
    return this.errors.filter((e) => e.attr === null || !paths.includes(e.attr)).map((e) => (e.attr === null || e.attr === "non_field_errors" ? e.detail : `${e.attr}: ${e.detail}`));
  }

  has(code: string): boolean {
    return this.errors.some((e) => e.code === code);
  }
}

function isFieldError(value: unknown): value is FieldError {
  return typeof value === "object" && value !== null && "code" in value && "detail" in value && "attr" in value;
}

/** The error of an answer that is none of 2xx; body: what it said, if that was JSON. */
export function errorOf(response: Response, body: unknown): ApiError {
  const list: unknown = typeof body === "object" && body !== null && "errors" in body ? body.errors : null;
  const retry = Number(response.headers.get("Retry-After") ?? "");

  return new ApiError({
    status: response.status,
    trouble: response.headers.has("Zane-Status") ? "starting" : response.status >= 500 ? "server" : "refused",
    errors: Array.isArray(list) ? list.filter(isFieldError) : [],
    requestId: response.headers.get("X-Request-Id"),
    retryAfterS: Number.isFinite(retry) && retry > 0 ? retry : null,
  });
}

export function asApiError(error: unknown): ApiError {
  if (error instanceof ApiError) return error;
  if (error instanceof DOMException && error.name === "TimeoutError") return new ApiError({ status: 0, trouble: "timeout" });
  return new ApiError({ status: 0, trouble: "offline" });
}
