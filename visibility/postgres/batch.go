package postgres

import (
	"fmt"
	"strings"
	"time"

	"perdure/visibility"
	"perdure/visibility/sqlform"
)

// columnTypes are the types of the columns that are not text; attributes travel as text.
var columnTypes = map[string]string{
	"namespace": "integer", "version": "bigint", "deleted": "boolean", "deleted_ns": "bigint", "status": "integer",
	"start_ns": "bigint", "execution_ns": "bigint", "close_key": "bigint", "close_ns": "bigint", "duration_ns": "bigint",
	"history_length": "bigint", "history_size_bytes": "bigint", "state_transition_count": "bigint", "record": "bytea",
}

// The upserts take one array per column.
var (
	upsert      = buildUpsert(false)
	upsertAgain = buildUpsert(true)
)

func buildUpsert(again bool) string {
	var arrays, values []string
	for i, column := range sqlform.Columns {
		columnType := columnTypes[column]
		if columnType == "" {
			columnType = "text"
		}
		arrays = append(arrays, fmt.Sprintf("$%d::%s[]", i+1, columnType))
		if column == "attributes" {
			column += "::jsonb"
		}
		values = append(values, column)
	}
	names := strings.Join(sqlform.Columns, ", ")
	return "INSERT INTO " + sqlform.Table + " (" + names + ") SELECT " + strings.Join(values, ", ") +
		" FROM unnest(" + strings.Join(arrays, ", ") + ") AS given (" + names + ")" + sqlform.OnConflict(again)
}

// columnsOf turns records into one array per column.
func (s *Store) columnsOf(records []*visibility.Record, now time.Time) ([]any, error) {
	rows := make([][]any, len(records))
	for i, rec := range records {
		row, err := sqlform.NewRow(rec, s.Known(rec.NamespaceID), now)
		if err != nil {
			return nil, fmt.Errorf("run %s: %w", rec.RunID, err)
		}
		rows[i] = row.Values()
	}
	columns := make([]any, len(sqlform.Columns))
	for column, first := range rows[0] {
		columns[column] = arrayOf(rows, column, first)
	}
	return columns, nil
}

// arrayOf collects one column; first tells its type.
func arrayOf(rows [][]any, column int, first any) any {
	switch first.(type) {
	case string:
		return collect[string](rows, column)
	case *string:
		return collect[*string](rows, column)
	case int64:
		return collect[int64](rows, column)
	case *int64:
		return collect[*int64](rows, column)
	case bool:
		return collect[bool](rows, column)
	default:
		return collect[[]byte](rows, column)
	}
}

func collect[T any](rows [][]any, column int) []T {
	out := make([]T, len(rows))
	for i := range rows {
		out[i] = rows[i][column].(T)
	}
	return out
}
