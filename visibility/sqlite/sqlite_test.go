package sqlite_test

import (
	"database/sql"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"perdure/server/store"
	"perdure/visibility"
	"perdure/visibility/sqlite"
	"perdure/visibility/visibilitytest"
)

func open(t *testing.T, path string) *sqlite.Store {
	t.Helper()
	s, err := sqlite.Open(t.Context(), path, sqlite.Options{Unsafe: true})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	return s
}

func TestStore(t *testing.T) {
	s := open(t, filepath.Join(t.TempDir(), "visibility ?#%.db"))
	require.Equal(t, "sqlite", s.Name())
	visibilitytest.Run(t, func(*testing.T) visibility.Store { return s })
}

// TestReopen checks that records and versions outlive the process.
func TestReopen(t *testing.T) {
	path := filepath.Join(t.TempDir(), "v.db")
	rec := visibilitytest.CorpusRecords("ns")["kw-03"]
	rec.Version = 2
	first, err := sqlite.Open(t.Context(), path, sqlite.Options{})
	require.NoError(t, err)
	require.NoError(t, first.Write(t.Context(), []*visibility.Record{rec}))
	require.NoError(t, first.Close())

	second := open(t, path)
	older := *rec
	older.Version, older.Deleted = 1, true
	require.NoError(t, second.Write(t.Context(), []*visibility.Record{&older}))
	result, err := second.Count(t.Context(), "ns", visibilitytest.Checked(t, "CustomKeywordField = 'alpha'"))
	require.NoError(t, err)
	require.EqualValues(t, 1, result.Total)
}

func TestNewerSchemaIsRefused(t *testing.T) {
	path := filepath.Join(t.TempDir(), "v.db")
	require.NoError(t, open(t, path).Close())
	db, err := sql.Open("sqlite", path)
	require.NoError(t, err)
	_, err = db.Exec("INSERT INTO visibility_version (version, name, checksum) VALUES (1000, 'later', 'x')")
	require.NoError(t, err)
	require.NoError(t, db.Close())
	_, err = sqlite.Open(t.Context(), path, sqlite.Options{})
	require.ErrorIs(t, err, store.ErrNewerSchema)
}

func TestAddress(t *testing.T) {
	path := filepath.Join(t.TempDir(), "v.db")
	require.NoError(t, open(t, "sqlite://"+path).Close())
	require.FileExists(t, path)
	_, err := sqlite.Open(t.Context(), "sqlite://host/v.db", sqlite.Options{})
	require.ErrorContains(t, err, "sqlite:///absolute/file")
}

func BenchmarkStore(b *testing.B) {
	s, err := sqlite.Open(b.Context(), filepath.Join(b.TempDir(), "v.db"), sqlite.Options{})
	require.NoError(b, err)
	defer s.Close()
	visibilitytest.Bench(b, s, func() {})
}
