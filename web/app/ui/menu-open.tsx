/* The opened menu, on Radix, which brings the keyboard and the roles; not modal, because that would write
 * style elements, which the content policy forbids. Fetched when a menu is first wanted. */
import * as Radix from "@radix-ui/react-dropdown-menu";
import type { ReactElement } from "react";
import { Link } from "react-router";
import { cx } from "./classes";
import { Icon } from "./icons";
import type { MenuEntry } from "./menu";

const item = "flex min-h-8 w-full items-center gap-2 rounded-sm px-2 text-left outline-none data-[highlighted]:bg-sunken data-[disabled]:opacity-50 max-sm:min-h-10";

export default function OpenMenu({ trigger, label, align, entries }: { trigger: ReactElement; label: string; align: "start" | "end"; entries: readonly MenuEntry[] }) {
  return (
    <Radix.Root modal={false} defaultOpen>
      <Radix.Trigger asChild>{trigger}</Radix.Trigger>
      <Radix.Portal>
        <Radix.Content aria-label={label} align={align} sideOffset={4} collisionPadding={8} className="z-50 max-h-[70dvh] min-w-44 overflow-y-auto rounded-md border border-line bg-raised p-1 text-sm shadow-lg">
          {entries.map((e, i) => (
            <Entry key={e.kind === "line" ? i : `${e.kind} ${e.text}`} entry={e} />
          ))}
        </Radix.Content>
      </Radix.Portal>
    </Radix.Root>
  );
}

function Entry({ entry: e }: { entry: MenuEntry }) {
  switch (e.kind) {
    case "line":
      return <Radix.Separator className="my-1 h-px bg-line" />;
    case "label":
      return <Radix.Label className="px-2 py-1 text-xs font-medium text-muted">{e.text}</Radix.Label>;
    case "link":
      return (
        <Radix.Item asChild>
          <Link to={e.to} aria-current={e.current ? "true" : undefined} className={cx(item, e.current && "font-semibold")}>
            {e.icon && <Icon name={e.icon} />}
            {e.text}
          </Link>
        </Radix.Item>
      );
    case "action":
      return (
        <Radix.Item disabled={e.disabled ?? false} onSelect={e.onSelect} className={cx(item, e.danger && "text-bad")}>
          {e.icon && <Icon name={e.icon} />}
          {e.text}
        </Radix.Item>
      );
  }
}
