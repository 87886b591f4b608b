package postgres_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"perdure/internal/pgtest"
	"perdure/visibility/postgres"
	"perdure/visibility/visibilitytest"
)

func FuzzCompile(f *testing.F) {
	s, err := postgres.Open(f.Context(), pgtest.Database(f), postgres.Options{Connections: 2})
	require.NoError(f, err)
	visibilitytest.FuzzCompile(f, s, 10)
}
