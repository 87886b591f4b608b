// Package sqlform holds what the SQL stores of visibility share: the form in
// which a record is written, and the compiler from checked queries to SQL.
//
// System attributes are columns. All others are in one JSON object under keys
// that name their type and themselves, in a form that compares alike in every
// database: strings without NUL, times as digits, doubles as integers of the
// same order, texts as their words.
package sqlform

import (
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	enumspb "go.temporal.io/api/enums/v1"

	"perdure/visibility"
	"perdure/visibility/attr"
)

// escapes replaces the one character that PostgreSQL cannot hold, and the
// escape itself, so that the order of strings and their prefixes stay.
var escapes = strings.NewReplacer("\x00", "\x01\x01", "\x01", "\x01\x02")

// Text returns a string as it is stored.
func Text(s string) string { return escapes.Replace(s) }

var unescapes = strings.NewReplacer("\x01\x01", "\x00", "\x01\x02", "\x01")

// Original is the inverse of Text.
func Original(s string) string { return unescapes.Replace(s) }

// DoubleKey maps doubles to integers of the same order; both zeros are 0.
func DoubleKey(f float64) int64 {
	bits := int64(math.Float64bits(f))
	if bits < 0 {
		return math.MinInt64 - bits
	}
	return bits
}

// secondsOffset makes the seconds of every year from -1 to 10000 positive.
const secondsOffset = 62_300_000_000

// TimeKey maps times to digits of the same order. Attributes hold years 0 to 9999.
func TimeKey(t time.Time) string {
	return fmt.Sprintf("%012d%09d", t.Unix()+secondsOffset, t.Nanosecond())
}

// Key is the key of an attribute in the JSON object. It consists of letters,
// digits and few signs, so that it needs no escape in a JSON path.
func Key(name string, t enumspb.IndexedValueType) string {
	var b strings.Builder
	b.Grow(len(name) + 2)
	b.WriteString(strconv.Itoa(int(t)) + ":")
	for _, c := range []byte(name) {
		if c == '_' || c == '-' || c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, "%%%02x", c)
		}
	}
	return b.String()
}

// attributesJSON writes the attributes that are no columns; nil without any, which keeps the run out of their index.
func attributesJSON(rec *visibility.Record, values map[string]attr.Value) (*string, error) {
	object := make(map[string]any, len(values))
	if items := itemsObject(rec.SearchAttributes); len(items) > 0 {
		object[ItemsKey] = items
	}
	for name, value := range values {
		if _, isColumn := columns[name]; !isColumn {
			object[Key(name, value.Type)] = stored(value)
		}
	}
	if len(object) == 0 {
		return nil, nil
	}
	data, err := json.Marshal(object)
	if err != nil {
		return nil, fmt.Errorf("encode search attributes: %w", err)
	}
	return pointer(string(data)), nil
}

// stored returns the form of a value in the JSON object.
func stored(value attr.Value) any {
	switch v := value.Value.(type) {
	case string:
		if value.Type == enumspb.INDEXED_VALUE_TYPE_TEXT {
			return texts(attr.Tokens(v))
		}
		return Text(v)
	case float64:
		return DoubleKey(v)
	case time.Time:
		return TimeKey(v)
	case []string:
		return texts(v)
	default:
		return v
	}
}

func texts(list []string) []string {
	out := make([]string, len(list))
	for i, s := range list {
		out[i] = Text(s)
	}
	return out
}

// OpenKey is the sort key of an open run: later than every close time.
const OpenKey = math.MaxInt64

// Row is a record as its columns. Pointers are nil where the attribute is absent.
type Row struct {
	Namespace            int64 // as NamespacesTable numbers it
	RunID                string
	Version              int64
	Deleted              bool
	DeletedNanos         *int64
	WorkflowID           string
	WorkflowType         string
	TaskQueue            string
	Status               int64
	StartNanos           int64
	ExecutionNanos       int64
	CloseKey             int64
	CloseNanos           *int64
	DurationNanos        *int64
	HistoryLength        *int64
	HistorySizeBytes     *int64
	StateTransitionCount *int64
	ParentWorkflowID     *string
	ParentRunID          *string
	RootWorkflowID       *string
	RootRunID            *string
	Division             *string
	Attributes           *string // JSON
	Record               []byte
}

// NewRow returns the row of a record written at now, whose namespace has that number. A tombstone keeps nothing but its keys.
func NewRow(rec *visibility.Record, namespace int64, now time.Time) (Row, error) {
	row := Row{Namespace: namespace, RunID: Text(rec.RunID), Version: rec.Version, Record: []byte{}}
	if rec.Deleted {
		row.Deleted, row.DeletedNanos = true, pointer(now.UnixNano())
		return row, nil
	}
	data, err := visibility.Encode(rec)
	if err != nil {
		return row, fmt.Errorf("encode record: %w", err)
	}
	values := attr.Values(rec.SearchAttributes)
	attributes, err := attributesJSON(rec, values)
	if err != nil {
		return row, err
	}
	row.Record, row.Attributes = data, attributes
	row.fill(rec, values)
	return row, nil
}

func (row *Row) fill(rec *visibility.Record, values map[string]attr.Value) {
	row.WorkflowID, row.WorkflowType, row.TaskQueue = Text(rec.WorkflowID), Text(rec.WorkflowType), Text(rec.TaskQueue)
	row.Status = int64(rec.Status)
	row.StartNanos, row.CloseKey = visibility.Nanos(rec.StartTime), OpenKey
	row.ExecutionNanos = visibility.Nanos(rec.ExecutionTime)
	row.ParentWorkflowID, row.ParentRunID = optional(rec.ParentWorkflowID), optional(rec.ParentRunID)
	row.RootWorkflowID, row.RootRunID = optional(rec.RootWorkflowID), optional(rec.RootRunID)
	if division, ok := values[attr.NamespaceDivision]; ok {
		row.Division = pointer(Text(division.Value.(string)))
	}
	if rec.IsOpen() {
		return
	}
	row.CloseKey = visibility.Nanos(rec.CloseTime)
	row.CloseNanos = pointer(row.CloseKey)
	row.DurationNanos = pointer(int64(rec.ExecutionDuration()))
	row.HistoryLength = pointer(rec.HistoryLength)
	row.HistorySizeBytes = pointer(rec.HistorySizeBytes)
	row.StateTransitionCount = pointer(rec.StateTransitionCount)
}

func pointer[T any](v T) *T { return &v }

// optional returns nil for the empty string.
func optional(s string) *string {
	if s == "" {
		return nil
	}
	return pointer(Text(s))
}

// Values returns the values of the row in the order of Columns.
func (row *Row) Values() []any {
	return []any{row.Namespace, row.RunID, row.Version, row.Deleted, row.DeletedNanos, row.WorkflowID, row.WorkflowType, row.TaskQueue, row.Status,
		row.StartNanos, row.ExecutionNanos, row.CloseKey, row.CloseNanos, row.DurationNanos, row.HistoryLength, row.HistorySizeBytes, row.StateTransitionCount,
		row.ParentWorkflowID, row.ParentRunID, row.RootWorkflowID, row.RootRunID, row.Division, row.Attributes, row.Record}
}

// Divide splits records into those that replace only older ones, and those that say Again.
func Divide(records []*visibility.Record) (usual, again []*visibility.Record) {
	for _, rec := range records {
		if rec.Again {
			again = append(again, rec)
		} else {
			usual = append(usual, rec)
		}
	}
	return usual, again
}
