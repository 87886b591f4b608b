package sqlite_test

import (
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"perdure/visibility/sqlite"
	"perdure/visibility/visibilitytest"
)

func TestIndexes(t *testing.T) {
	visibilitytest.RunIndexes(t, open(t, filepath.Join(t.TempDir(), "v.db")))
}

// TestAdvice names what slow searches wanted, once.
func TestAdvice(t *testing.T) {
	path := filepath.Join(t.TempDir(), "v.db")
	s := open(t, path)
	advice, err := s.AdviseIndexes(t.Context())
	require.NoError(t, err)
	require.Empty(t, advice)
}

func FuzzCompile(f *testing.F) {
	s, err := sqlite.Open(f.Context(), filepath.Join(f.TempDir(), "v.db"), sqlite.Options{Unsafe: true})
	require.NoError(f, err)
	visibilitytest.FuzzCompile(f, s, 1)
}
