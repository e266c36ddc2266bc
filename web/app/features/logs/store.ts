/* The lines that a page holds, in order of time: bounded, cheap at both ends, told of at most once a frame. */
import type { LogLine } from "~/api/types";

/** What is kept of a line: a page may hold 100,000 of them. */
export type Line = Pick<LogLine, "id" | "time" | "level" | "content">;

function kept({ id, time, level, content }: Line): Line {
  return { id, time, level, content };
}

export const LINES_MAX = 100_000;

function before(a: Line, b: Line): boolean {
  return a.time < b.time;
}

export class LogStore {
  private lines: Line[] = [];
  private first = 0; // lines before it were let go
  private readonly ids = new Set<string>();
  private readonly watchers = new Set<() => void>();
  private readonly most: number;
  private readonly schedule: (f: () => void) => void;
  private told = true;
  version = 0;
  dropped = 0;

  constructor(most = LINES_MAX, schedule: (f: () => void) => void = (f) => requestAnimationFrame(f)) {
    this.most = most;
    this.schedule = schedule;
  }

  get size(): number {
    return this.lines.length - this.first;
  }

  at(i: number): Line | undefined {
    return this.lines[this.first + i];
  }

  indexOf(id: string): number {
    for (let i = this.size - 1; i >= 0; i -= 1) if (this.at(i)?.id === id) return i;
    return -1;
  }

  get last(): Line | undefined {
    return this.lines.at(-1);
  }

  clear(): void {
    this.lines = [];
    this.first = 0;
    this.ids.clear();
    this.dropped = 0;
    this.tell();
  }

  /** Newer lines, in any order; those that are there already are passed over. Returns how many are new. */
  append(lines: readonly Line[]): number {
    let n = 0;
    for (const line of lines) {
      if (this.ids.has(line.id)) continue;
      this.ids.add(line.id);
      this.insert(kept(line));
      n += 1;
    }
    this.trim();
    if (n) this.tell();
    return n;
  }

  /** Older lines, oldest first. */
  prepend(lines: readonly Line[]): number {
    const fresh = lines.filter((l) => !this.ids.has(l.id)).map(kept);
    for (const l of fresh) this.ids.add(l.id);
    if (fresh.length) {
      this.lines = [...fresh, ...this.lines.slice(this.first)];
      this.first = 0;
      this.tell();
    }
    return fresh.length;
  }

  subscribe = (watcher: () => void): (() => void) => {
    this.watchers.add(watcher);
    return () => this.watchers.delete(watcher);
  };

  snapshot = (): number => this.version;

  /* A line that came late goes to its place, which is near the end. */
  private insert(line: Line): void {
    let i = this.lines.length;
    while (i > this.first) {
      const other = this.lines[i - 1];
      if (!other || !before(line, other)) break;
      i -= 1;
    }
    if (i === this.lines.length) this.lines.push(line);
    else this.lines.splice(i, 0, line);
  }

  private trim(): void {
    const over = this.size - this.most;
    if (over <= 0) return;
    for (let i = 0; i < over; i += 1) {
      const gone = this.at(i);
      if (gone) this.ids.delete(gone.id);
    }
    this.first += over;
    this.dropped += over;
    if (this.first > this.most) {
      this.lines = this.lines.slice(this.first);
      this.first = 0;
    }
  }

  private tell(): void {
    if (!this.told) return;
    this.told = false;
    this.schedule(() => {
      this.told = true;
      this.version += 1;
      for (const w of this.watchers) w();
    });
  }
}
