-- Which deployment of a service the proxy sends requests to. It moves with the blue/green switch, apart
-- from is_current_production, so that the proxy's configuration is a function of the database alone.
alter table service add column routed_hash text references deployment on delete set null;
create index service_routed on service (routed_hash) where routed_hash is not null;
