/* All settings of a service in their order. */
import type { ServicePath } from "~/api/keys";
import { useRegistries } from "~/api/registries";
import type { Service, ServiceChange } from "~/api/types";
import { settings as t } from "~/text/settings";
import { waiting } from "~/text/waiting";
import { Panel } from "~/ui/layout";
import { type IndexEntry, SectionIndex } from "~/ui/section-index";
import { useAvailableVolumes, useDetectedPorts, useServerLimits } from "./data";
import { ArchiveService, Automatic, General, Webhook } from "./identity";
import { ItemList } from "./item-section";
import { configKind, portKind, sharedKind, volumeKind } from "./lists";
import { items, knownPorts } from "./overlay";
import { SingleSection } from "./single-section";
import { commandKind, healthKind, limitsKind, sourceKind } from "./singles";

interface Props {
  path: ServicePath;
  service: Service;
}

const index: (IndexEntry & { field?: ServiceChange["field"] })[] = [
  { id: "general", text: t.general.title },
  { id: "image", text: t.source.title, field: "source" },
  { id: "command", text: t.command.title, field: "command" },
  { id: "health", text: t.health.title, field: "healthcheck" },
  { id: "limits", text: t.limits.title, field: "resource_limits" },
  { id: "ports", text: t.ports.title, field: "ports" },
  { id: "volumes", text: t.volumes.title, field: "volumes" },
  { id: "shared-volumes", text: t.shared.title, field: "shared_volumes" },
  { id: "configs", text: t.configs.title, field: "configs" },
  { id: "webhook", text: t.token.title },
  { id: "auto", text: t.auto.title },
  { id: "archive", text: t.archive.title },
];

export function SettingsSections({ path, service }: Props) {
  const registries = useRegistries();
  const limits = useServerLimits();
  const detected = useDetectedPorts(path);
  const ports = knownPorts(service, detected.data ?? []);
  const flags = JSON.stringify([service.auto_deploy_enabled, service.cleanup_queue_on_auto_deploy, service.pr_preview_envs_enabled, service.watch_paths]);
  const entries = index.map(({ field, ...e }) => (service.unapplied_changes.some((c) => c.field === field) ? { ...e, mark: waiting.changed } : e));

  return (
    <SectionIndex label={t.index} entries={entries}>
      <General key={service.slug} path={path} service={service} />
      <SingleSection path={path} service={service} kind={sourceKind(registries.data ?? [])} />
      <SingleSection path={path} service={service} kind={commandKind} />
      <SingleSection path={path} service={service} kind={healthKind(ports)} />
      <SingleSection path={path} service={service} kind={limitsKind(limits.data ?? null)} />
      <Panel id="ports" title={t.ports.title} lead={t.ports.lead}>
        <ItemList path={path} service={service} kind={portKind(ports)} empty={<p className="text-muted">{t.ports.empty}</p>} />
      </Panel>
      <Panel id="volumes" title={t.volumes.title} lead={t.volumes.lead}>
        <ItemList path={path} service={service} kind={volumeKind} empty={<p className="text-muted">{t.volumes.empty}</p>} />
      </Panel>
      <SharedVolumes path={path} service={service} />
      <Panel id="configs" title={t.configs.title} lead={t.configs.lead}>
        <ItemList path={path} service={service} kind={configKind} empty={<p className="text-muted">{t.configs.empty}</p>} />
      </Panel>
      <Webhook path={path} service={service} />
      <Automatic key={flags} path={path} service={service} />
      <ArchiveService path={path} service={service} />
    </SectionIndex>
  );
}

/* What is shared already is among the service's own; the list has what else could be. */
function SharedVolumes({ path, service }: Props) {
  const available = useAvailableVolumes(path);
  const own = service.shared_volumes.map((s) => s.volume);
  const all = [...(available.data ?? []), ...own.filter((o) => !available.data?.some((a) => a.id === o.id))];
  const kind = sharedKind(all);
  const addable = all.length > 0 || items(service, "shared_volumes").length > 0;

  return (
    <Panel id="shared-volumes" title={t.shared.title} lead={t.shared.lead}>
      <ItemList path={path} service={service} kind={kind} addable={addable} empty={<p className="text-muted">{addable || available.isPending ? t.shared.empty : t.shared.none}</p>} />
    </Panel>
  );
}
