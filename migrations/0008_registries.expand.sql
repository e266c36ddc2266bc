-- What the image of a deployment says it listens on: [{port_number, protocol}].
alter table deployment add column exposed_ports jsonb;
-- A change that waits names the credentials that it will use.
create index service_change_credentials on service_change ((new_value->>'container_registry_credentials_id'))
    where not applied and field = 'source';
