/* A value that is covered until somebody wants to see it. */
import { common } from "~/text/common";
import { IconButton } from "./button";
import { cx } from "./classes";
import { CopyButton } from "./copy";

const COVER = "••••••••";

export function Secret({ text, shown, onShow, names, className }: { text: string; shown: boolean; onShow: (shown: boolean) => void; names: { show: string; hide: string; copy: string }; className?: string }) {
  return (
    <span className={cx("flex min-w-0 items-start gap-0.5", className)}>
      <span className={cx("min-w-0 flex-1 py-0.5 font-mono text-sm", shown ? "max-h-40 overflow-y-auto whitespace-pre-wrap" : "text-muted")}>
        {shown ? text : <span aria-label={common.hidden}>{COVER}</span>}
      </span>
      <IconButton icon={shown ? "cover" : "eye"} label={shown ? names.hide : names.show} onClick={() => onShow(!shown)} className="size-7" />
      <CopyButton text={text} label={names.copy} />
    </span>
  );
}
