package sqlform_test

import (
	"cmp"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	enumspb "go.temporal.io/api/enums/v1"
	"pgregory.net/rapid"

	"perdure/visibility"
	"perdure/visibility/sqlform"
	"perdure/visibility/visibilitytest"
)

func drawText(t *rapid.T, label string) string {
	return rapid.StringOf(rapid.SampledFrom([]rune{0, 1, 2, 'a', 'b', 'é', '\U0010ffff'})).Draw(t, label)
}

func TestTextKeepsOrderAndPrefixes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := drawText(t, "a"), drawText(t, "b")
		storedA, storedB := sqlform.Text(a), sqlform.Text(b)
		require.NotContains(t, storedA, "\x00")
		require.Equal(t, a, sqlform.Original(storedA))
		require.Equal(t, strings.Compare(a, b), strings.Compare(storedA, storedB))
		require.Equal(t, strings.HasPrefix(a, b), strings.HasPrefix(storedA, storedB))
	})
}

func TestDoubleKeyKeepsOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := rapid.Float64().Draw(t, "a"), rapid.Float64().Draw(t, "b")
		require.Equal(t, cmp.Compare(a, b), cmp.Compare(sqlform.DoubleKey(a), sqlform.DoubleKey(b)))
		require.Equal(t, cmp.Compare(a, -a), cmp.Compare(sqlform.DoubleKey(a), sqlform.DoubleKey(-a)))
	})
}

func TestTimeKeyKeepsOrder(t *testing.T) {
	first := time.Date(-1, 12, 31, 0, 0, 0, 0, time.UTC).Unix()
	last := time.Date(10000, 1, 1, 23, 0, 0, 0, time.UTC).Unix()
	draw := func(t *rapid.T, label string) time.Time {
		return time.Unix(rapid.Int64Range(first, last).Draw(t, label), rapid.Int64Range(0, 999_999_999).Draw(t, label))
	}
	rapid.Check(t, func(t *rapid.T) {
		a, b := draw(t, "a"), draw(t, "b")
		require.Len(t, sqlform.TimeKey(a), 21)
		require.Equal(t, a.Compare(b), strings.Compare(sqlform.TimeKey(a), sqlform.TimeKey(b)))
	})
}

func TestKeysAreDistinctAndPlain(t *testing.T) {
	require.Equal(t, "2:my-kw", sqlform.Key("my-kw", enumspb.INDEXED_VALUE_TYPE_KEYWORD))
	require.Equal(t, "3:a%22b%25", sqlform.Key(`a"b%`, enumspb.INDEXED_VALUE_TYPE_INT))
	rapid.Check(t, func(t *rapid.T) {
		a, b := rapid.String().Draw(t, "a"), rapid.String().Draw(t, "b")
		keyA, keyB := sqlform.Key(a, enumspb.INDEXED_VALUE_TYPE_INT), sqlform.Key(b, enumspb.INDEXED_VALUE_TYPE_INT)
		require.Equal(t, a == b, keyA == keyB)
		require.NotContains(t, keyA, `"`)
		require.NotContains(t, keyA, `\`)
	})
}

func TestRowHasAValuePerColumn(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rec := visibilitytest.DrawRecord(t, "ns", 1)
		row, err := sqlform.NewRow(rec, 7, time.Unix(0, 0))
		require.NoError(t, err)
		require.Len(t, row.Values(), len(sqlform.Columns))
		require.EqualValues(t, 7, row.Namespace)
		if row.Attributes != nil {
			require.True(t, json.Valid([]byte(*row.Attributes)))
		}
		require.Equal(t, rec.IsOpen(), row.CloseNanos == nil)
	})
	tombstone, err := sqlform.NewRow(&visibility.Record{NamespaceID: "ns", RunID: "r", WorkflowID: "w", Deleted: true}, 1, time.Unix(0, 7))
	require.NoError(t, err)
	require.Empty(t, tombstone.WorkflowID)
	require.Nil(t, tombstone.Attributes)
	require.EqualValues(t, 7, *tombstone.DeletedNanos)
}
