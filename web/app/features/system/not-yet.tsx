import type { ReactNode } from "react";
import { Empty } from "~/ui/states";

/** A page whose API does not exist, and what to do until it does. */
export function NotYet({ text, children }: { text: { title: string; what: string; now: string }; children?: ReactNode }) {
  return (
    <div className="grid gap-4">
      {children}
      <Empty icon="clock" title={text.title}>
        <p>{text.what}</p>
        <p className="mt-2">{text.now}</p>
      </Empty>
    </div>
  );
}
