/* An upgrade on trial: the server takes no changes for a minute or so, and says so to each that is asked of it. */
import { useSyncExternalStore } from "react";
import { ApiError } from "./error";

const SHOWN_MS = 60_000; // after the last refusal; an accepted change ends it sooner

export class Trial {
  private on = false;
  private timer: ReturnType<typeof setTimeout> | null = null;
  private readonly watchers = new Set<() => void>();

  /** What became of a change: null if it was accepted. */
  heard(error: Error | null): void {
    const refused = error instanceof ApiError && error.has("upgrading");
    if (!refused && error) return; // any other error says nothing about it
    if (this.timer) clearTimeout(this.timer);
    this.timer = refused ? setTimeout(() => this.set(false), SHOWN_MS) : null;
    this.set(refused);
  }

  subscribe = (watcher: () => void): (() => void) => {
    this.watchers.add(watcher);
    return () => this.watchers.delete(watcher);
  };

  snapshot = (): boolean => this.on;

  private set(on: boolean): void {
    if (this.on === on) return;
    this.on = on;
    for (const w of this.watchers) w();
  }
}

export const trial = new Trial();

export function useTrial(): boolean {
  return useSyncExternalStore(trial.subscribe, trial.snapshot);
}
