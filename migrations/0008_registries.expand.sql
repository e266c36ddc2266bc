-- What the image of a deployment says it listens on: [{port_number, protocol}].
alter table deployment add column exposed_ports jsonb;
