package elastic

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"time"

	"github.com/google/uuid"

	"perdure/visibility/attr"
)

// schemaVersion is in the name of the index. A program with another one needs an index of its own.
const schemaVersion = 1

// Fields of a document that are no attributes of their own.
const (
	fieldNamespace = "namespace_id"
	fieldTerms     = "terms"  // key, and key=value, of each attribute without a column
	fieldWords     = "words"  // words of texts, each with its key
	fieldValues    = "values" // key → value, to sort and group by
	fieldBucket    = "bucket"
	fieldChecksum  = "checksum"
	fieldStarted   = "started_at" // for people and their tools: dates, and the status by its name
	fieldClosed    = "closed_at"
	fieldStatus    = "status"
	fieldDeleted   = "deleted_at" // only tombstones have it, in milliseconds since 1970
	fieldRecord    = "record"     // what lists give back
)

// column is an attribute with a field of its own.
type column struct {
	field  string
	number bool // a long; otherwise a keyword
}

// columns are the attributes that every run can have. Times are nanoseconds, the
// status is a sortable number.
var columns = map[string]column{
	attr.WorkflowID:           {field: "workflow_id"},
	attr.RunID:                {field: "run_id"},
	attr.WorkflowType:         {field: "workflow_type"},
	attr.TaskQueue:            {field: "task_queue"},
	attr.ExecutionStatus:      {field: "status_code"},
	attr.StartTime:            {field: "start_time", number: true},
	attr.ExecutionTime:        {field: "execution_time", number: true},
	attr.CloseTime:            {field: "close_time", number: true},
	attr.ExecutionDuration:    {field: "duration", number: true},
	attr.HistoryLength:        {field: "history_length", number: true},
	attr.HistorySizeBytes:     {field: "history_size_bytes", number: true},
	attr.StateTransitionCount: {field: "state_transition_count", number: true},
	attr.ParentWorkflowID:     {field: "parent_workflow_id"},
	attr.ParentRunID:          {field: "parent_run_id"},
	attr.RootWorkflowID:       {field: "root_workflow_id"},
	attr.RootRunID:            {field: "root_run_id"},
	attr.NamespaceDivision:    {field: "division"},
}

// object is JSON in the making: what comes from outside is only ever a value in it.
type object map[string]any

// valuesType is a field type that OpenSearch lacks.
const valuesType = "flattened"

// mapping has the same fields whatever attributes users define. Without values the
// index cannot sort and group by attributes that have no column.
func mapping(withValues bool) object {
	properties := object{
		fieldNamespace: object{"type": "keyword"},
		fieldTerms:     object{"type": "keyword", "doc_values": false},
		fieldWords:     object{"type": "text", "analyzer": "whitespace", "norms": false},
		fieldBucket:    object{"type": "long"},
		fieldChecksum:  object{"type": "long", "index": false},
		fieldStarted:   object{"type": "date", "format": "epoch_millis"},
		fieldClosed:    object{"type": "date", "format": "epoch_millis"},
		fieldStatus:    object{"type": "keyword"},
		fieldDeleted:   object{"type": "long"},
		fieldRecord:    object{"type": "binary"},
	}
	if withValues {
		properties[fieldValues] = object{"type": valuesType, "index": false}
	}
	for _, c := range columns {
		if c.number {
			properties[c.field] = object{"type": "long"}
		} else {
			properties[c.field] = object{"type": "keyword"}
		}
	}
	return object{
		"dynamic":    false,
		"_meta":      object{"schema": schemaVersion},
		"_source":    object{"excludes": []string{fieldTerms, fieldWords, fieldValues}}, // they are in the record
		"properties": properties,
	}
}

// deleteMemory is how long Elasticsearch itself remembers the version of a
// deleted document. Writes give up long before.
const deleteMemory = time.Hour

// settings of a new index. Its order is that of lists, so that a page ends a search early.
func settings(o Options) object {
	return object{"index": object{
		"number_of_shards":     o.Shards,
		"auto_expand_replicas": "0-1",
		"refresh_interval":     milliseconds(o.Refresh),
		"gc_deletes":           milliseconds(deleteMemory),
		"sort": object{
			"field":   []string{"close_time", "start_time", "run_id"},
			"order":   []string{"desc", "desc", "desc"},
			"missing": []string{"_first", "_first", "_first"},
		},
	}}
}

// documentID is that of a run: 32 bytes, the first half of which runs of a namespace share.
func documentID(namespaceID, runID string) string {
	id := append(make([]byte, 0, 32), idBytes(namespaceID)...)
	return base64.RawURLEncoding.EncodeToString(append(id, idBytes(runID)...))
}

// idBytes are those of a UUID, or the beginning of a digest.
func idBytes(text string) []byte {
	if id, err := uuid.Parse(text); err == nil && id.String() == text {
		return id[:]
	}
	sum := sha256.Sum256([]byte(text))
	return sum[:16]
}

// digest stands for a text that is too long.
func digest(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}
