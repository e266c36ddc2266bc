SELECT 'CREATE ROLE zane LOGIN' WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'zane') \gexec
SELECT 'CREATE ROLE temporal LOGIN' WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'temporal') \gexec
SELECT 'CREATE ROLE probe LOGIN' WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'probe') \gexec
ALTER ROLE zane PASSWORD :'zane_password';
ALTER ROLE temporal PASSWORD :'temporal_password';
SELECT 'CREATE DATABASE zane OWNER zane' WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = 'zane') \gexec
SELECT 'CREATE DATABASE temporal OWNER temporal' WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = 'temporal') \gexec
SELECT 'CREATE DATABASE temporal_visibility OWNER temporal' WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = 'temporal_visibility') \gexec
REVOKE CONNECT ON DATABASE zane, temporal, temporal_visibility FROM PUBLIC;
\connect temporal_visibility
CREATE EXTENSION IF NOT EXISTS btree_gin;
