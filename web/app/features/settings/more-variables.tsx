/* Variables that a service gets from elsewhere: to read. */
import { useState } from "react";
import type { Service } from "~/api/types";
import { atLeast, role, useMe } from "~/features/auth/me";
import { paths } from "~/paths";
import { variables as t } from "~/text/variables";
import { ButtonLink } from "~/ui/button";
import { Panel } from "~/ui/layout";
import { Secret } from "~/ui/secret";

function ReadOnly({ name, value, note }: { name: string; value: string; note?: string | null }) {
  const [shown, setShown] = useState(false);
  return (
    <li className="grid gap-x-4 gap-y-1 px-3 py-1.5 sm:grid-cols-[minmax(0,2fr)_minmax(0,3fr)]">
      <div className="py-0.5">
        <span className="font-mono text-sm font-medium">{name}</span>
        {note && <p className="text-sm text-muted">{note}</p>}
      </div>
      {value ? <Secret text={value} shown={shown} onShow={setShown} names={{ show: t.showValue(name), hide: t.hideValue(name), copy: t.copyValue(name) }} /> : <span className="text-sm text-muted italic">{t.emptyValue}</span>}
    </li>
  );
}

export function SharedHere({ service, own, project, env }: { service: Service; own: ReadonlySet<string>; project: string; env: string }) {
  const me = useMe();
  const shared = service.environment.variables;
  return (
    <Panel
      title={t.shared.title}
      lead={t.shared.lead}
      actions={
        atLeast(me.data, role.member) && (
          <ButtonLink to={paths.environment(project, env, "variables")} icon="edit">
            {t.shared.edit}
          </ButtonLink>
        )
      }
    >
      {shared.length ? (
        <ul className="divide-y divide-line rounded-md border border-line">
          {shared.map((v) => (
            <ReadOnly key={v.id} name={v.key} value={v.value} note={own.has(v.key) ? t.shared.hidden : null} />
          ))}
        </ul>
      ) : (
        <p className="text-muted">{t.shared.none}</p>
      )}
    </Panel>
  );
}

export function SystemVariables({ service }: { service: Service }) {
  return (
    <Panel title={t.system.title} lead={t.system.lead}>
      <dl className="divide-y divide-line rounded-md border border-line">
        {service.system_env_variables.map((v) => (
          <div key={v.key} className="grid gap-x-4 px-3 py-1.5 sm:grid-cols-[minmax(0,2fr)_minmax(0,3fr)]">
            <dt className="font-mono text-sm font-medium">{v.key}</dt>
            <dd className="min-w-0">
              <span className="font-mono text-sm">{v.value}</span>
              <p className="text-sm text-muted">{v.comment}</p>
            </dd>
          </div>
        ))}
      </dl>
    </Panel>
  );
}
