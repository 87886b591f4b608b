package sqlite_test

import (
	"log/slog"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"perdure/server/store"
	"perdure/server/store/sqlite"
	"perdure/server/store/storetest"
)

var quiet = store.Options{Shards: storetest.ShardCount, Logger: slog.New(slog.DiscardHandler)}

func open(t *testing.T, file string) *sqlite.Store {
	s, err := sqlite.Open(t.Context(), "sqlite://"+file, quiet)
	require.NoError(t, err)
	return s
}

func TestContract(t *testing.T) {
	storetest.Run(t, func(t *testing.T) storetest.Opener {
		file := filepath.Join(t.TempDir(), "perdure.db")
		return func(t *testing.T) store.Store { return open(t, file) }
	})
}
