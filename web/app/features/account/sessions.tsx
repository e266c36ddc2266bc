import { useMutation, useQuery } from "@tanstack/react-query";
import { api, data } from "~/api/client";
import { keys } from "~/api/keys";
import { queryClient } from "~/api/query";
import type { Session } from "~/api/types";
import { account as t } from "~/text/account";
import { Button } from "~/ui/button";
import { Table } from "~/ui/layout";
import { Loaded } from "~/ui/states";
import { Status } from "~/ui/status";
import { Time } from "~/ui/time";
import { toast } from "~/ui/toast";

function refresh(): Promise<void> {
  return queryClient.invalidateQueries({ queryKey: keys.account("sessions") });
}

export function Sessions() {
  const list = useQuery({ queryKey: keys.account("sessions"), queryFn: ({ signal }) => data(api.GET("/api/auth/sessions/", { signal })) });
  const others = useMutation({
    mutationFn: () => data(api.DELETE("/api/auth/sessions/")),
    onSuccess: () => {
      toast(t.session.endedOthers);
      return refresh();
    },
  });

  return (
    <div className="grid gap-3">
      <div className="flex flex-wrap items-center justify-between gap-2">
        <p className="text-muted">{t.session.what}</p>
        <Button busy={others.isPending} disabled={(list.data?.length ?? 0) < 2} onClick={() => others.mutate()}>
          {t.session.endOthers}
        </Button>
      </div>
      <Loaded query={list}>
        {(all) => (
          <Table label={t.sessions} head={[t.session.browser, t.session.address, t.session.since, t.session.seen, ""]}>
            {all.map((s) => (
              <Row key={s.id} session={s} />
            ))}
          </Table>
        )}
      </Loaded>
    </div>
  );
}

function Row({ session: s }: { session: Session }) {
  const end = useMutation({
    mutationFn: () => data(api.DELETE("/api/auth/sessions/{id}/", { params: { path: { id: s.id } } })),
    onSuccess: () => {
      toast(t.session.ended);
      return refresh();
    },
  });
  return (
    <tr>
      <td className="max-w-md break-words">
        {s.user_agent || t.session.unknown} {s.current && <Status tone="ok" icon="dot" label={t.session.current} />}
      </td>
      <td>{s.address}</td>
      <td className="whitespace-nowrap">{s.created_at && <Time value={s.created_at} />}</td>
      <td className="whitespace-nowrap">{s.last_seen_at && <Time value={s.last_seen_at} />}</td>
      <td className="text-right">
        {!s.current && (
          <Button busy={end.isPending} onClick={() => end.mutate()}>
            {t.session.end}
          </Button>
        )}
      </td>
    </tr>
  );
}
