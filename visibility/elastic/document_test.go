package elastic

import (
	"cmp"
	"encoding/json"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	"pgregory.net/rapid"

	"perdure/visibility"
	"perdure/visibility/attr"
	"perdure/visibility/visibilitytest"
)

// TestDocument pins the stored form: a change of it needs a new schemaVersion.
func TestDocument(t *testing.T) {
	start := time.Unix(1704067200, 5).UTC()
	rec := &visibility.Record{
		NamespaceID: "ns", WorkflowID: "w", RunID: "r", Version: 3, WorkflowType: "type", TaskQueue: "queue",
		Status: enumspb.WORKFLOW_EXECUTION_STATUS_COMPLETED, StartTime: start, ExecutionTime: start, CloseTime: start.Add(7),
		HistoryLength: 11, HistorySizeBytes: 22, StateTransitionCount: 33, ParentWorkflowID: "p",
		SearchAttributes: &commonpb.SearchAttributes{IndexedFields: map[string]*commonpb.Payload{
			"Env":                  attr.Encode("a\"b", enumspb.INDEXED_VALUE_TYPE_KEYWORD),
			"n":                    attr.Encode(int64(-1), enumspb.INDEXED_VALUE_TYPE_INT),
			"d.x":                  attr.Encode(1.5, enumspb.INDEXED_VALUE_TYPE_DOUBLE),
			"flag":                 attr.Encode(true, enumspb.INDEXED_VALUE_TYPE_BOOL),
			"due":                  attr.Encode(start, enumspb.INDEXED_VALUE_TYPE_DATETIME),
			"tags":                 attr.Encode([]string{"x", "y"}, enumspb.INDEXED_VALUE_TYPE_KEYWORD_LIST),
			"notes":                attr.Encode("Hello, hello World", enumspb.INDEXED_VALUE_TYPE_TEXT),
			attr.NamespaceDivision: attr.Encode("division", enumspb.INDEXED_VALUE_TYPE_KEYWORD),
		}},
	}
	text, err := appendAction(nil, rec, time.Time{})
	require.NoError(t, err)
	action, line, _ := strings.Cut(string(text), "\n")
	require.JSONEq(t, `{"index":{"_id":"v_5q1W4U6ReHkQm5zmJ4kkVCkpRxOJKkdW2mM8iuGVY","version":3,"version_type":"external"}}`, replaceID(t, action, "v_5q1W4U6ReHkQm5zmJ4kkVCkpRxOJKkdW2mM8iuGVY"))
	var got map[string]any
	require.NoError(t, json.Unmarshal([]byte(line), &got))
	delete(got, fieldRecord)
	delete(got, fieldChecksum)
	terms := got[fieldTerms].([]any)
	delete(got, fieldTerms)
	require.ElementsMatch(t, []any{
		"2:^env", `2:^env=a"b`, "3:n", "3:n=7fffffffffffffff", "4:d%2ex", "4:d%2ex=bff8000000000000", "5:flag", "5:flag=1",
		"6:due", "6:due=064004067200000000005", "7:tags", "7:tags=x", "7:tags=y", "1:notes",
	}, terms)
	want := `{"namespace_id":"ns","bucket":1704067200000000000,"workflow_id":"w","run_id":"r","workflow_type":"type","task_queue":"queue",
		"status_code":"8000000000000002","status":"Completed","started_at":1704067200000,"closed_at":1704067200000,"start_time":1704067200000000005,"execution_time":1704067200000000005,"close_time":1704067200000000012,
		"duration":7,"history_length":11,"history_size_bytes":22,"state_transition_count":33,"parent_workflow_id":"p","division":"division",
		"words":["1:notes=hello 1:notes=hello 1:notes=world"],
		"values":{"2:^env":["a\"b"],"3:n":["7fffffffffffffff"],"4:d%2ex":["bff8000000000000"],"5:flag":["1"],
			"6:due":["064004067200000000005"],"7:tags":["x","y"]}}`
	rest, err := json.Marshal(got)
	require.NoError(t, err)
	require.JSONEq(t, want, string(rest))
}

// replaceID lets an action be compared whose id is only known to have the length of another.
func replaceID(t *testing.T, action, id string) string {
	t.Helper()
	at := strings.Index(action, `"_id":"`) + len(`"_id":"`)
	require.Equal(t, `","`, action[at+len(id):at+len(id)+3])
	return action[:at] + id + action[at+len(id):]
}

func TestIDsAreApart(t *testing.T) {
	ids := map[string]bool{}
	const uuid = "01a20351-21ae-749e-bb48-d297918378a2"
	for _, namespaceID := range []string{"", "a", "ab", uuid, strings.ToUpper(uuid), strings.Repeat("x", 9000)} {
		for _, runID := range []string{"", "b", "a", uuid, strings.ToUpper(uuid)} {
			id := documentID(namespaceID, runID)
			require.Len(t, id, 43)
			require.False(t, ids[id], "%s %s", namespaceID, runID)
			ids[id] = true
		}
	}
}

func TestSortableKeepsOrderAndValue(t *testing.T) {
	first, last := time.Date(-1, 12, 31, 0, 0, 0, 0, time.UTC).Unix(), time.Date(10000, 1, 1, 23, 0, 0, 0, time.UTC).Unix()
	rapid.Check(t, func(t *rapid.T) {
		a, b := rapid.Int64().Draw(t, "a"), rapid.Int64().Draw(t, "b")
		checkSortable(t, a, b, cmp.Compare(a, b), enumspb.INDEXED_VALUE_TYPE_INT)
		f, g := rapid.Float64().Draw(t, "f"), rapid.Float64().Draw(t, "g")
		checkSortable(t, f, g, cmp.Compare(f, g), enumspb.INDEXED_VALUE_TYPE_DOUBLE)
		checkSortable(t, f, -f, cmp.Compare(f, -f), enumspb.INDEXED_VALUE_TYPE_DOUBLE)
		early := time.Unix(rapid.Int64Range(first, last).Draw(t, "s"), rapid.Int64Range(0, 999_999_999).Draw(t, "n")).UTC()
		late := time.Unix(rapid.Int64Range(first, last).Draw(t, "s2"), rapid.Int64Range(0, 999_999_999).Draw(t, "n2")).UTC()
		checkSortable(t, early, late, early.Compare(late), enumspb.INDEXED_VALUE_TYPE_DATETIME)
	})
	require.Equal(t, sortable(0.0), sortable(math.Copysign(0, -1)))
	require.Less(t, sortable(false), sortable(true))
}

func checkSortable(t *rapid.T, a, b any, order int, typed enumspb.IndexedValueType) {
	require.Equal(t, order, strings.Compare(sortable(a), sortable(b)))
	back, err := original(sortable(a), typed)
	require.NoError(t, err)
	require.Equal(t, a, back)
}

func TestAttributeKeysAreDistinctAndPlain(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := rapid.String().Draw(t, "a"), rapid.String().Draw(t, "b")
		keyA, keyB := attributeKey(a, enumspb.INDEXED_VALUE_TYPE_INT), attributeKey(b, enumspb.INDEXED_VALUE_TYPE_INT)
		require.Equal(t, a == b, keyA == keyB)
		require.Regexp(t, `^[a-z0-9:_^%-]*$`, keyA)
	})
}

// FuzzDocument: whatever a record has, each of its two lines is JSON, and texts come back as they were.
func FuzzDocument(f *testing.F) {
	f.Add("ns", "w", "name", "value", int64(1))
	f.Add("\x00", "\"\\\n\u2028", "a.b\xff", "{}\"}\n{", int64(-1))
	f.Fuzz(func(t *testing.T, namespaceID, workflowID, name, value string, version int64) {
		rec := &visibility.Record{
			NamespaceID: namespaceID, WorkflowID: workflowID, RunID: value, Version: version,
			SearchAttributes: &commonpb.SearchAttributes{IndexedFields: map[string]*commonpb.Payload{
				name: attr.Encode(value, enumspb.INDEXED_VALUE_TYPE_KEYWORD),
			}},
		}
		text, err := encodeAction(nil, rec, time.Time{})
		if err != nil {
			return // not UTF-8, or a negative version
		}
		lines := strings.Split(string(text), "\n")
		require.Len(t, lines, 3)
		require.Empty(t, lines[2])
		require.True(t, json.Valid([]byte(lines[0])), lines[0])
		var document struct {
			WorkflowID string `json:"workflow_id"`
			RunID      string `json:"run_id"`
			Namespace  string `json:"namespace_id"`
		}
		require.NoError(t, json.Unmarshal([]byte(lines[1]), &document))
		require.Equal(t, []string{workflowID, value, strings.ToValidUTF8(namespaceID, "\ufffd")}, []string{document.WorkflowID, document.RunID, document.Namespace})
	})
}

func TestEveryDrawnRecordIsOneLine(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text, err := appendDocument(nil, visibilitytest.DrawRecord(t, "ns", 1))
		require.NoError(t, err)
		require.Equal(t, 1, strings.Count(string(text), "\n"))
		require.True(t, json.Valid(text))
	})
}
