/* A menu behind a button. Its entries are data, so that what draws them need not be fetched with the page. */
import { cloneElement, lazy, type ReactElement, Suspense, useState } from "react";
import type { IconName } from "./icons";

export type MenuEntry =
  | { kind: "link"; text: string; to: string; icon?: IconName; current?: boolean }
  | { kind: "action"; text: string; onSelect: () => void; icon?: IconName; danger?: boolean; disabled?: boolean }
  | { kind: "label"; text: string }
  | { kind: "line" };

interface TriggerProps {
  onClick?: () => void;
  onPointerEnter?: () => void;
  onFocus?: () => void;
  "aria-haspopup"?: "menu";
  "aria-expanded"?: boolean;
}

const fetchMenu = () => import("./menu-open");
const OpenMenu = lazy(fetchMenu);

function prefetch(): void {
  void fetchMenu();
}

/** trigger: a button without a handler of its own. */
export function Menu({ trigger, label, align = "end", entries }: { trigger: ReactElement<TriggerProps>; label: string; align?: "start" | "end"; entries: readonly MenuEntry[] }) {
  const [wanted, setWanted] = useState(false);
  const closed = cloneElement(trigger, { onClick: () => setWanted(true), onPointerEnter: prefetch, onFocus: prefetch, "aria-haspopup": "menu", "aria-expanded": false });

  if (!wanted) return closed;
  return (
    <Suspense fallback={closed}>
      <OpenMenu trigger={trigger} label={label} align={align} entries={entries} />
    </Suspense>
  );
}
