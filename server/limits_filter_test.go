package server

import (
	"fmt"
	"strings"

	"go.temporal.io/api/workflowservice/v1"

	"perdure/visibility/query"
)

const unsupported = "InvalidArgument: invalid query: operation is not supported: "

// filterLimits: what a filter can consist of.
var filterLimits = []limitCase{
	{
		row: "Text of a filter", limit: query.MaxTextBytes, past: unsupported + "query text of 20481 bytes, the limit is 20480",
		try: func(s *trial, n int64) string {
			return s.counts("WorkflowId = '" + text(n-int64(len("WorkflowId = ''"))) + "'")
		},
	},
	{
		row: "Depth of NOT and parentheses in a filter", limit: query.MaxDepth, past: unsupported + "expression nested deeper than 32",
		try: func(s *trial, n int64) string {
			return s.counts(strings.Repeat("(", int(n-1)) + "WorkflowId = 'w'" + strings.Repeat(")", int(n-1)))
		},
	},
	{
		row: "Predicates of a filter", limit: query.MaxPredicates, past: unsupported + "more than 200 predicates",
		try: func(s *trial, n int64) string { return s.counts(several("HistoryLength = %d", " OR ", n)) },
	},
	{
		row: "Values of one list in a filter", limit: query.MaxInValues, past: unsupported + "2001 values of IN, the limit is 2000",
		try: func(s *trial, n int64) string { return s.counts("HistoryLength IN (" + several("%d", ",", n) + ")") },
	},
	{
		row: "Keys of GROUP BY", limit: query.MaxGroupKeys, past: unsupported + "'GROUP BY' clause with more than 10 keys",
		try: func(s *trial, n int64) string {
			return s.counts("GROUP BY " + several("RANGE(HistoryLength, %d)", ",", n))
		},
	},
	{
		row: "Groups of a count", limit: query.MaxGroups, past: "0 groups",
		try: func(s *trial, n int64) string {
			filter := fmt.Sprintf("StartTime >= 0 AND StartTime < %d GROUP BY BUCKET(StartTime, '1s')", seconds(n))
			counted, err := s.CountWorkflowExecutions(s.t.Context(), &workflowservice.CountWorkflowExecutionsRequest{Namespace: "default", Query: filter})
			if err != nil || int64(len(counted.Groups)) == n {
				return said(err)
			}
			return fmt.Sprint(len(counted.Groups), " groups") // the empty ones are left out
		},
	},
	{
		row: "Aggregates of a count", limit: query.MaxAggregates, past: unsupported + "more than 50 aggregates",
		try: func(s *trial, n int64) string { return s.counts("SELECT " + several("PCT(HistoryLength, %d)", ",", n)) },
	},
	{
		row: "Terms of ORDER BY", limit: query.MaxOrderTerms, past: unsupported + "'ORDER BY' clause with more than 10 terms",
		try: func(s *trial, n int64) string {
			return s.counts("SELECT COUNT(*) ORDER BY " + several("PCT(HistoryLength, %d)", ",", n))
		},
	},
	{
		row: "Bounds of a RANGE", limit: query.MaxRangeBounds, past: unsupported + "RANGE with more than 100 bounds (byte 16)",
		try: func(s *trial, n int64) string {
			return s.counts("GROUP BY RANGE(HistoryLength, " + several("%d", ",", n) + ")")
		},
	},
}

// counts says what comes of counting by a filter.
func (s *trial) counts(filter string) string {
	_, err := s.CountWorkflowExecutions(s.t.Context(), &workflowservice.CountWorkflowExecutionsRequest{Namespace: "default", Query: filter})
	return said(err)
}

// several joins n texts that differ in a number.
func several(format, separator string, n int64) string {
	parts := make([]string, n)
	for i := range parts {
		parts[i] = fmt.Sprintf(format, i)
	}
	return strings.Join(parts, separator)
}
