package visibilitytest

import (
	"bytes"
	"embed"
	"encoding/json"
	"fmt"
	"time"

	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"

	"perdure/visibility"
	"perdure/visibility/attr"
)

//go:embed testdata
var testdata embed.FS

// CorpusTypes are the custom attributes of the recorded runs.
func CorpusTypes() attr.Types {
	return attr.Types{
		"CustomTextField":        enumspb.INDEXED_VALUE_TYPE_TEXT,
		"Notes":                  enumspb.INDEXED_VALUE_TYPE_TEXT,
		"CustomKeywordField":     enumspb.INDEXED_VALUE_TYPE_KEYWORD,
		"env":                    enumspb.INDEXED_VALUE_TYPE_KEYWORD,
		"my-kw":                  enumspb.INDEXED_VALUE_TYPE_KEYWORD,
		"Region":                 enumspb.INDEXED_VALUE_TYPE_KEYWORD,
		"Order":                  enumspb.INDEXED_VALUE_TYPE_KEYWORD,
		"CustomIntField":         enumspb.INDEXED_VALUE_TYPE_INT,
		"Amount":                 enumspb.INDEXED_VALUE_TYPE_INT,
		"CustomDoubleField":      enumspb.INDEXED_VALUE_TYPE_DOUBLE,
		"Score":                  enumspb.INDEXED_VALUE_TYPE_DOUBLE,
		"CustomBoolField":        enumspb.INDEXED_VALUE_TYPE_BOOL,
		"Flag":                   enumspb.INDEXED_VALUE_TYPE_BOOL,
		"CustomDatetimeField":    enumspb.INDEXED_VALUE_TYPE_DATETIME,
		"DueAt":                  enumspb.INDEXED_VALUE_TYPE_DATETIME,
		"CustomKeywordListField": enumspb.INDEXED_VALUE_TYPE_KEYWORD_LIST,
		"Tags":                   enumspb.INDEXED_VALUE_TYPE_KEYWORD_LIST,
	}
}

// CorpusQuery is a query with the answer over the recorded runs.
type CorpusQuery struct {
	Query  string   `json:"query"`
	Keys   []string `json:"keys"` // runs, in order
	Groups []struct {
		Value string `json:"value"`
		Count int64  `json:"count"`
	} `json:"groups"`
	// Differs says why the public server's SQLite store answers otherwise; empty where it does not.
	Differs string `json:"differs"`
}

// CorpusQueries returns the texts of the recorded queries.
func CorpusQueries() []string {
	var texts []string
	for _, q := range corpusQueries() {
		texts = append(texts, q.Query)
	}
	return texts
}

// Departures returns why recorded queries are answered otherwise here, each reason
// once, and how many queries are.
func Departures() (reasons []string, total int) {
	seen := map[string]bool{}
	for _, q := range corpusQueries() {
		if q.Differs == "" {
			continue
		}
		if total++; !seen[q.Differs] {
			seen[q.Differs] = true
			reasons = append(reasons, q.Differs)
		}
	}
	return reasons, total
}

func corpusQueries() []CorpusQuery { return readLines[CorpusQuery]("testdata/queries.jsonl") }

type corpusRecord struct {
	Key           string               `json:"key"`
	WorkflowID    string               `json:"workflow_id"`
	RunID         string               `json:"run_id"`
	Type          string               `json:"type"`
	TaskQueue     string               `json:"task_queue"`
	Status        string               `json:"status"`
	Start         time.Time            `json:"start"`
	Execution     time.Time            `json:"execution"`
	Close         time.Time            `json:"close"`
	HistoryLength int64                `json:"history_length"`
	SizeBytes     int64                `json:"size"`
	Transitions   int64                `json:"transitions"`
	Parent        [2]string            `json:"parent"`
	Root          [2]string            `json:"root"`
	Attributes    map[string][2]string `json:"attributes"` // type and JSON
}

// CorpusRecords returns the recorded runs, in that namespace, by the keys that CorpusQuery has.
func CorpusRecords(namespaceID string) map[string]*visibility.Record {
	records := map[string]*visibility.Record{}
	for _, r := range readLines[corpusRecord]("testdata/records.jsonl") {
		records[r.Key] = r.record(namespaceID)
	}
	return records
}

func (r corpusRecord) record(namespaceID string) *visibility.Record {
	status, err := enumspb.WorkflowExecutionStatusFromString("WORKFLOW_EXECUTION_STATUS_" + r.Status)
	must(err)
	rec := &visibility.Record{
		NamespaceID: namespaceID, WorkflowID: r.WorkflowID, RunID: r.RunID, Version: 1,
		WorkflowType: r.Type, TaskQueue: r.TaskQueue, Status: status,
		StartTime: r.Start, ExecutionTime: r.Execution, CloseTime: r.Close,
		HistoryLength: r.HistoryLength, HistorySizeBytes: r.SizeBytes, StateTransitionCount: r.Transitions,
		ParentWorkflowID: r.Parent[0], ParentRunID: r.Parent[1],
		RootWorkflowID: r.Root[0], RootRunID: r.Root[1],
		SearchAttributes: &commonpb.SearchAttributes{IndexedFields: map[string]*commonpb.Payload{}},
	}
	for name, value := range r.Attributes {
		rec.SearchAttributes.IndexedFields[name] = &commonpb.Payload{
			Metadata: map[string][]byte{"encoding": []byte("json/plain"), "type": []byte(value[0])},
			Data:     []byte(value[1]),
		}
	}
	return rec
}

// readLines decodes the JSON lines of an embedded file. It panics on a damaged one.
func readLines[T any](name string) []T {
	data, err := testdata.ReadFile(name)
	must(err)
	decoder := json.NewDecoder(bytes.NewReader(data))
	var lines []T
	for decoder.More() {
		var line T
		must(decoder.Decode(&line))
		lines = append(lines, line)
	}
	return lines
}

func must(err error) {
	if err != nil {
		panic(fmt.Sprintf("corpus: %v", err))
	}
}
