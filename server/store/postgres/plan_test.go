package postgres

import (
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"perdure/internal/pgtest"
	"perdure/server/store"
)

// The plan made when the tables are empty is the one that large tables need.
func TestPlansArePinned(t *testing.T) {
	address := pgtest.Database(t)
	s, err := Open(t.Context(), address, store.Options{Logger: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	require.NoError(t, s.Close())
	conn, err := pgx.Connect(t.Context(), address)
	require.NoError(t, err)
	defer conn.Close(t.Context())
	require.NoError(t, pinSession(t.Context(), conn))
	arguments := map[string]string{
		fenceSQL:       "'{1}', '{1}'",
		updateSQL:      "'{1}', '{1}', '{1}', '{1}', '{1}', '{1}', '{2026-01-01}', '{x}'",
		readTasksSQL:   "'{1}', '{n}', '{q}', '{1}', '{0}', '{0}', '{0}', '{9}'",
		deleteTasksSQL: "'{1}', '{n}', '{q}', '{1}', '{0}', '{0}', '{1}'",
	}
	number := 0
	for statement, values := range arguments {
		number++
		name := fmt.Sprintf("p%d", number)
		_, err := conn.Exec(t.Context(), "PREPARE "+name+" AS "+statement)
		require.NoError(t, err)
		rows, err := conn.Query(t.Context(), "EXPLAIN EXECUTE "+name+"("+values+")")
		require.NoError(t, err)
		lines, err := pgx.CollectRows(rows, pgx.RowTo[string])
		require.NoError(t, err)
		plan := strings.Join(lines, "\n")
		require.Contains(t, plan, "Nested Loop", plan)
		require.Regexp(t, "Index Scan using (shard|execution|queue_task)_pkey", plan)
		require.NotContains(t, plan, "Seq Scan", plan)
	}
}
