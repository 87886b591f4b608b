package compose_test

import (
	"net/url"
	"os"
	"os/exec"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"perdure/internal/pgtest"
	"perdure/internal/serverprocess"
)

// TestGrafanaReadsOneView runs grant.sh, twice as after a restart, on the schema of a real server.
func TestGrafanaReadsOneView(t *testing.T) {
	database := pgtest.Database(t)
	binary, err := serverprocess.Build()
	require.NoError(t, err)
	output, err := exec.Command(binary, "migrate", "--store", database).CombinedOutput()
	require.NoError(t, err, string(output))
	address, err := url.Parse(database)
	require.NoError(t, err)
	for range 2 {
		grant := exec.Command("./grant.sh")
		grant.Env = append(os.Environ(), "PGHOST="+address.Hostname(), "PGPORT="+address.Port(), "PGUSER="+address.User.Username(),
			"PGDATABASE="+address.Path[1:], "GRAFANA_POSTGRES_PASSWORD=quote's")
		output, err = grant.CombinedOutput()
		require.NoError(t, err, string(output))
	}
	address.User = url.UserPassword("grafana", "quote's")
	conn, err := pgx.Connect(t.Context(), address.String())
	require.NoError(t, err)
	defer conn.Close(t.Context())
	_, err = conn.Exec(t.Context(), "SELECT * FROM visibility_runs")
	require.NoError(t, err)
	rows, err := conn.Query(t.Context(), "SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace")
	require.NoError(t, err)
	tables, err := pgx.CollectRows(rows, pgx.RowTo[string])
	require.NoError(t, err)
	require.NotEmpty(t, tables)
	for _, table := range tables {
		_, err = conn.Exec(t.Context(), "SELECT * FROM "+table)
		require.ErrorContains(t, err, "permission denied", table)
	}
}
