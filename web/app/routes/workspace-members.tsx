import { useSearchParams } from "react-router";
import { Members } from "~/features/workspace/members";
import { OnlyAdmins } from "~/features/workspace/only-admins";
import { PER_PAGE, useMembers } from "~/features/workspace/queries";
import { Pager } from "~/ui/pager";
import { Loaded } from "~/ui/states";

export default function WorkspaceMembers() {
  return (
    <OnlyAdmins>
      <List />
    </OnlyAdmins>
  );
}

function List() {
  const [params, setParams] = useSearchParams();
  const page = Math.max(1, Number(params.get("page") ?? "1") || 1);
  return (
    <Loaded query={useMembers(page)}>
      {(found) => (
        <>
          <Members members={found.results} />
          <Pager page={page} count={found.count} perPage={PER_PAGE} onPage={(p) => setParams(p > 1 ? { page: String(p) } : {})} />
        </>
      )}
    </Loaded>
  );
}
