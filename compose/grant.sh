#!/bin/sh
# Makes the role by which Grafana reads search records: it may see the view of them and no table.
set -eu
psql --no-psqlrc --quiet --set ON_ERROR_STOP=1 --set password="$GRAFANA_POSTGRES_PASSWORD" <<'SQL'
SELECT 'CREATE ROLE grafana LOGIN' WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'grafana') \gexec
ALTER ROLE grafana LOGIN PASSWORD :'password';
ALTER ROLE grafana SET default_transaction_read_only = on;
ALTER ROLE grafana SET statement_timeout = '30s';
GRANT SELECT ON visibility_runs TO grafana;
SQL
