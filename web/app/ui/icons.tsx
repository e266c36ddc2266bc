/* Drawn on a 16 px grid with one stroke; decoration only: what they stand next to says the same in words. */
import type { ReactNode } from "react";

const shapes = {
  check: <path d="m3.5 8.5 3 3 6-7" />,
  cross: <path d="m4 4 8 8m0-8-8 8" />,
  warn: <path d="M8 2.5 14.5 13.5h-13L8 2.5Zm0 4v3.2m0 1.6v.2" />,
  info: <path d="M8 14A6 6 0 1 0 8 2a6 6 0 0 0 0 12Zm0-6.8V11m0-6v.2" />,
  clock: <path d="M8 14A6 6 0 1 0 8 2a6 6 0 0 0 0 12Zm0-9.5V8l2.3 1.6" />,
  moon: <path d="M13 9.6A5.6 5.6 0 0 1 6.4 3 5.6 5.6 0 1 0 13 9.6Z" />,
  dot: <circle cx="8" cy="8" r="3" />,
  ring: <circle cx="8" cy="8" r="4.5" />,
  work: <path d="M8 2v2.5M8 11.5V14M2 8h2.5M11.5 8H14M3.8 3.8l1.7 1.7m5 5 1.7 1.7m0-8.4-1.7 1.7m-5 5-1.7 1.7" />,
  down: <path d="m4 6 4 4 4-4" />,
  right: <path d="m6 4 4 4-4 4" />,
  left: <path d="m10 4-4 4 4 4" />,
  search: <path d="M7 11.5A4.5 4.5 0 1 0 7 2.5a4.5 4.5 0 0 0 0 9Zm3.3-1.2 3.2 3.2" />,
  plus: <path d="M8 3v10M3 8h10" />,
  menu: <path d="M2.5 4.5h11m-11 3.5h11m-11 3.5h11" />,
  dots: <path d="M3.5 8h.01M8 8h.01M12.5 8h.01" strokeWidth={2.4} />,
  copy: <path d="M5.5 5.5V3h7.5v7.5h-2.5M3 5.5h7.5V13H3V5.5Z" />,
  external: <path d="M9 3h4v4m0-4L7.5 8.5M6.5 4H3v9h9V9.5" />,
  trash: <path d="M3 4.5h10M6.5 4.5V3h3v1.5m-5 0 .6 8.5h5.8l.6-8.5" />,
  edit: <path d="m3 13 .7-2.8L10.5 3.4l2.1 2.1-6.8 6.8L3 13Z" />,
  play: <path d="M5 3.5v9l7-4.5-7-4.5Z" />,
  stop: <path d="M4 4h8v8H4z" />,
  refresh: <path d="M13 8a5 5 0 1 1-1.6-3.7M13 2.5v2.8h-2.8" />,
  user: <path d="M8 8a2.6 2.6 0 1 0 0-5.2A2.6 2.6 0 0 0 8 8Zm-5 5.5c.6-2.4 2.6-3.6 5-3.6s4.4 1.2 5 3.6" />,
  download: <path d="M8 2.5v7m0 0L5 6.7m3 2.8 3-2.8M3 13h10" />,
  link: <path d="M6.8 9.2a2.4 2.4 0 0 0 3.4 0l2-2a2.4 2.4 0 0 0-3.4-3.4l-.8.8m1.2 2.2a2.4 2.4 0 0 0-3.4 0l-2 2a2.4 2.4 0 0 0 3.4 3.4l.8-.8" />,
  offline: <path d="M2 2l12 12M4.3 7.2A6 6 0 0 1 6 6.1m4 .1a6 6 0 0 1 1.7 1M6.2 9.7a2.7 2.7 0 0 1 3.6 0M8 12.5v.1M2 5.2a9 9 0 0 1 2.2-1.5M7 2.9A9 9 0 0 1 14 5.2" />,
  eye: <path d="M1.5 8S4 3.5 8 3.5 14.5 8 14.5 8 12 12.5 8 12.5 1.5 8 1.5 8ZM8 9.8a1.8 1.8 0 1 0 0-3.6 1.8 1.8 0 0 0 0 3.6Z" />,
  cover: <path d="M2 2l12 12M4 4.9C2.4 6.1 1.5 8 1.5 8S4 12.5 8 12.5c1.2 0 2.2-.4 3.1-.9M6.5 3.7A6 6 0 0 1 8 3.5c4 0 6.5 4.5 6.5 4.5s-.6 1.1-1.7 2.2" />,
  undo: <path d="M6 3 3 6l3 3M3 6h6.5a3.5 3.5 0 0 1 0 7H7" />,
  key: <path d="M10.5 8.5a3 3 0 1 0-2.8-2L3 11.2V13h2v-1.3h1.3v-1.3h1.3l.7-.9c.6.4 1.4 0 2.2-1Zm.4-3.4h.1" />,
} satisfies Record<string, ReactNode>;

export type IconName = keyof typeof shapes;

export function Icon({ name, className }: { name: IconName; className?: string }) {
  return (
    <svg
      viewBox="0 0 16 16"
      className={className ?? "size-4 shrink-0"}
      fill="none"
      stroke="currentColor"
      strokeWidth={1.5}
      strokeLinecap="round"
      strokeLinejoin="round"
      aria-hidden="true"
    >
      {shapes[name]}
    </svg>
  );
}
