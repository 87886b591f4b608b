package pgtest_test

import (
	"os"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"perdure/internal/pgtest"
)

func TestMain(m *testing.M) { os.Exit(pgtest.Run(m)) }

func TestDatabasesAreApart(t *testing.T) {
	one, two := pgtest.Database(t), pgtest.Database(t)
	require.NotEqual(t, one, two)
	for _, address := range []string{one, two} {
		conn, err := pgx.Connect(t.Context(), address)
		require.NoError(t, err)
		_, err = conn.Exec(t.Context(), "CREATE TABLE same (x int)")
		require.NoError(t, err)
		for setting, want := range map[string]string{"fsync": "on", "synchronous_commit": "on"} {
			var got string
			require.NoError(t, conn.QueryRow(t.Context(), "SHOW "+setting).Scan(&got))
			require.Equal(t, want, got, "default durability")
		}
		require.NoError(t, conn.Close(t.Context()))
	}
}
