import licences from "virtual:licences";
import { useHealth } from "~/features/system/use-health";
import { useSettings } from "~/features/system/settings";
import { system as t } from "~/text/system";
import { Fact, Facts, Panel, Table } from "~/ui/layout";
import { Loaded } from "~/ui/states";

export default function SystemAbout() {
  const settings = useSettings();
  const { query } = useHealth();

  return (
    <div className="grid gap-4">
      <Panel title={t.about}>
        <Loaded query={settings}>
          {(s) => (
            <Facts>
              <Fact term={t.info.version}>{s.image_version}</Fact>
              {s.commit_sha && <Fact term={t.info.commit}>{s.commit_sha}</Fact>}
              <Fact term={t.info.domain}>{s.app_domain}</Fact>
              <Fact term={t.info.rootDomain}>{s.root_domain}</Fact>
              <Fact term={t.info.docs}>
                <a href="/api/docs/" className="text-accent hover:underline">
                  {t.info.docs}
                </a>
              </Fact>
            </Facts>
          )}
        </Loaded>
      </Panel>
      <Loaded query={query}>
        {(h) => (
          <Table label={t.info.parts} head={[t.part, t.version, t.info.licence]}>
            {h.parts.map((p) => (
              <tr key={p.id}>
                <td className="font-medium">{p.id}</td>
                <td className="font-mono text-sm">{p.version}</td>
                <td>{t.info.licences[p.id]}</td>
              </tr>
            ))}
          </Table>
        )}
      </Loaded>
      <Panel title={t.info.web}>
        <p>{t.info.webWhat}</p>
        <p className="mt-2">
          <a href={licences} target="_blank" rel="noreferrer" className="text-accent hover:underline">
            {t.info.texts}
          </a>
        </p>
        <p className="mt-2">{t.info.source}</p>
      </Panel>
    </div>
  );
}
