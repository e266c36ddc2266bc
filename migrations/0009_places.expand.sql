-- Searches by the beginning of a name: in byte order, so that a prefix is a range of the index.
create index project_slug_prefix on project (workspace_id, slug collate "C") where archived_at is null;
create index environment_name_prefix on environment (name collate "C") where archived_at is null;
create index service_slug_prefix on service (slug collate "C") where archived_at is null;
