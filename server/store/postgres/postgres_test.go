package postgres_test

import (
	"log/slog"
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"perdure/internal/pgtest"
	"perdure/server/store"
	"perdure/server/store/postgres"
	"perdure/server/store/storetest"
)

func TestMain(m *testing.M) { os.Exit(pgtest.Run(m)) }

var quiet = store.Options{Shards: storetest.ShardCount, Logger: slog.New(slog.DiscardHandler)}

func open(t *testing.T, address string) *postgres.Store {
	s, err := postgres.Open(t.Context(), address, quiet)
	require.NoError(t, err)
	return s
}

func TestContract(t *testing.T) {
	storetest.Run(t, func(t *testing.T) storetest.Opener {
		address := pgtest.Schema(t)
		return func(t *testing.T) store.Store { return open(t, address) }
	})
}
