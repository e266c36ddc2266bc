import { common } from "~/text/common";
import { Button } from "./button";

/** Back and forth in a list that comes in pages. */
export function Pager({ page, count, perPage, onPage }: { page: number; count: number; perPage: number; onPage: (page: number) => void }) {
  const pages = Math.max(1, Math.ceil(count / perPage));
  const text = common.page(page, pages);

  if (pages === 1) return null;
  return (
    <nav aria-label={text} className="flex items-center justify-between gap-2">
      <Button icon="left" disabled={page <= 1} onClick={() => onPage(page - 1)}>
        {common.previous}
      </Button>
      <span className="text-muted">{text}</span>
      <Button icon="right" disabled={page >= pages} onClick={() => onPage(page + 1)}>
        {common.next}
      </Button>
    </nav>
  );
}
