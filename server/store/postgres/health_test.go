package postgres_test

import (
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"perdure/internal/pgtest"
	"perdure/server/store/postgres"
)

func TestHealthTellsOfTheDatabase(t *testing.T) {
	address := pgtest.Database(t)
	s, err := postgres.Open(t.Context(), address, quiet)
	require.NoError(t, err)
	defer func() { require.NoError(t, s.Close()) }()

	other, err := pgx.Connect(t.Context(), address)
	require.NoError(t, err)
	defer other.Close(t.Context())
	held, err := other.Begin(t.Context())
	require.NoError(t, err)
	_, err = held.Exec(t.Context(), "SELECT 1")
	require.NoError(t, err)

	health, err := s.Health(t.Context())
	require.NoError(t, err)
	require.Greater(t, health.DatabaseBytes, int64(1<<20))
	require.Positive(t, health.WALBytes)
	require.Positive(t, health.XIDAge)
	require.Positive(t, health.LongestTransaction, "another session holds one")
	require.Less(t, health.LongestTransaction, time.Minute)
	require.Zero(t, health.ReplicationLag)
	require.EqualValues(t, 1, health.Connections["idle_in_transaction"])
	require.Positive(t, health.Connections["active"], "the one that asks")
	require.Greater(t, health.ConnectionsMax, int64(10))
	require.LessOrEqual(t, len(health.Tables), 20)
	names := map[string]bool{}
	for _, table := range health.Tables {
		require.Positive(t, table.Bytes, table.Name)
		names[table.Name] = true
	}
	require.True(t, names["shard"], "%v", names)
	require.NoError(t, held.Rollback(t.Context()))

	pools := s.Pools()
	require.Positive(t, pools["others"].AcquireCount())
	require.EqualValues(t, 2, pools["commits"].MaxConns())
}

func TestHealthOfADatabaseThatIsGone(t *testing.T) {
	s, err := postgres.Open(t.Context(), pgtest.Database(t), quiet)
	require.NoError(t, err)
	require.NoError(t, s.Close())
	_, err = s.Health(t.Context())
	require.ErrorContains(t, err, "ask the database how it is")
}
