/* How what the server knows is kept: until an event says that it changed, never by polling. */
import { MutationCache, QueryCache, QueryClient } from "@tanstack/react-query";
import { ApiError } from "./error";
import { keys } from "./keys";
import { trial } from "./trial";

function again(count: number, error: Error): boolean {
  if (!(error instanceof ApiError)) return false;
  return error.trouble !== "refused" && count < 3;
}

function onError(error: Error): void {
  if (error instanceof ApiError && error.status === 401) void queryClient.invalidateQueries({ queryKey: keys.me });
}

export const queryClient = new QueryClient({
  queryCache: new QueryCache({ onError: (e, query) => (query.queryKey[0] === "me" ? undefined : onError(e)) }),
  mutationCache: new MutationCache({
    onError: (e) => {
      trial.heard(e);
      onError(e);
    },
    onSuccess: () => trial.heard(null),
  }),
  defaultOptions: {
    queries: {
      staleTime: Infinity,
      gcTime: 10 * 60_000,
      retry: again,
      retryDelay: (n) => Math.min(8000, 500 * 2 ** n),
      refetchOnWindowFocus: false,
      refetchOnReconnect: false,
      networkMode: "always",
    },
    mutations: { retry: false, networkMode: "always" },
  },
});

/**
 * What follows once an asked-for change is made. Unlike callbacks given to mutate() it happens as well when what asked is
 * no longer shown: an event or a refetch often takes that away before the answer is here. Errors stay with the mutation.
 */
export function after<T>(answer: Promise<T>, then: (made: T) => unknown): void {
  answer.then(then, () => undefined);
}
