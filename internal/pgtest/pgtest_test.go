package pgtest_test

import (
	"os"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"perdure/internal/pgtest"
)

func TestMain(m *testing.M) { os.Exit(pgtest.Run(m)) }

func TestApart(t *testing.T) {
	addresses := []string{pgtest.Database(t), pgtest.Database(t), pgtest.Schema(t), pgtest.Schema(t)}
	for _, address := range addresses {
		conn, err := pgx.Connect(t.Context(), address)
		require.NoError(t, err)
		_, err = conn.Exec(t.Context(), "CREATE TABLE same (x int)")
		require.NoError(t, err, "nobody else's table is in the way")
		for setting, want := range map[string]string{"fsync": "on", "synchronous_commit": "on"} {
			var got string
			require.NoError(t, conn.QueryRow(t.Context(), "SHOW "+setting).Scan(&got))
			require.Equal(t, want, got, "default durability")
		}
		require.NoError(t, conn.Close(t.Context()))
	}
}

func TestCrashAndRestart(t *testing.T) {
	server := pgtest.Start(t)
	conn, err := pgx.Connect(t.Context(), server.URL())
	require.NoError(t, err)
	_, err = conn.Exec(t.Context(), "CREATE TABLE kept (x int)")
	require.NoError(t, err)
	server.Crash()
	require.Error(t, conn.Ping(t.Context()))
	require.NoError(t, conn.Close(t.Context()))
	server.Restart()
	conn, err = pgx.Connect(t.Context(), server.URL())
	require.NoError(t, err)
	_, err = conn.Exec(t.Context(), "INSERT INTO kept VALUES (1)")
	require.NoError(t, err)
	require.NoError(t, conn.Close(t.Context()))
}
