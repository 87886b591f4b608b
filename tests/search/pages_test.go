package search

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/workflowservice/v1"

	"perdure/server/config"
	"perdure/visibility/attr"
)

const pagedRuns = 24

// pagedQueries are listed in orders of all kinds: the default one, by columns, by custom attributes that some runs lack.
var pagedQueries = []string{
	"", "ORDER BY WorkflowType DESC, StartTime", "WorkflowId > 'w-02' ORDER BY Total", "ORDER BY Total DESC NULLS FIRST, WorkflowType",
	"ORDER BY Customer, CloseTime", "StartTime < NOW() ORDER BY StartTime DESC",
}

// TestPagesGoOnInAnotherStore reads a part of a list from one store, replaces the store, and reads the rest from each other
// one with the same token: all runs come, once, in order.
func TestPagesGoOnInAnotherStore(t *testing.T) {
	urls := map[string]string{}
	for _, name := range storeNames {
		urls[name] = storeURL(t, name)
	}
	configOf := func(reads string) config.Config {
		c := settings(urls, reads)
		c.Store = "sqlite://" + filepath.Join(t.TempDir(), "runs.db")
		return c
	}
	first := configOf("sqlite")
	s := open(t, first)
	s.define("default", attr.Types{"Total": enumspb.INDEXED_VALUE_TYPE_INT, "Customer": enumspb.INDEXED_VALUE_TYPE_KEYWORD})
	s.startPaged()
	s.stop()

	begun := map[string]map[string]*firstPages{}
	for _, name := range storeNames {
		begun[name] = map[string]*firstPages{}
		s := openReading(t, first, name)
		for _, query := range pagedQueries {
			begun[name][query] = s.begin(query)
		}
		s.stop()
	}
	for _, name := range storeNames {
		s := openReading(t, first, name)
		for from, lists := range begun {
			for query, list := range lists {
				require.Equal(t, list.whole, append(slices.Clone(list.ids), s.rest(query, list.token)...), "%s, then %s: %s", from, name, query)
				require.Equal(t, begun[storeNames[0]][query].whole, list.whole, "%s: %s", from, query)
			}
		}
		s.stop()
	}
}

// openReading starts a server on what there is, with another store that answers searches, and waits until that has every run.
func openReading(t *testing.T, c config.Config, reads string) *site {
	t.Helper()
	c.Search.Reads = reads
	s := open(t, c)
	require.Eventually(t, func() bool {
		counted, err := s.CountWorkflowExecutions(fresh(t.Context()), &workflowservice.CountWorkflowExecutionsRequest{Namespace: "default"})
		return err == nil && counted.Count == pagedRuns
	}, within, 10*time.Millisecond, reads)
	return s
}

// startPaged starts runs of three types, some with attributes, some ended.
func (s *site) startPaged() {
	for i := range pagedRuns {
		r := startOf("default", fmt.Sprintf("w-%02d", i))
		r.WorkflowType.Name = fmt.Sprint("T", i%3)
		values := map[string]recordedPayload{}
		if i%2 == 0 {
			values["Total"] = recordedPayload{Data: fmt.Sprint(i % 5)}
		}
		if i%3 != 1 {
			values["Customer"] = recordedPayload{Data: fmt.Sprintf("%q", fmt.Sprint("c", i%4))}
		}
		r.SearchAttributes = searchAttributes(values)
		_, err := s.StartWorkflowExecution(context.Background(), r)
		require.NoError(s.t, err)
		if i%4 == 0 {
			s.terminate("default", r.WorkflowId)
		}
	}
}

// firstPages are two pages of a list, the token of the third, and the whole list.
type firstPages struct {
	ids, whole []string
	token      []byte
}

func (s *site) begin(query string) *firstPages {
	list := &firstPages{}
	for range 2 {
		page, token := s.page(query, 5, list.token)
		list.ids, list.token = append(list.ids, page...), token
	}
	require.NotEmpty(s.t, list.token)
	list.whole, _ = s.page(query, 1000, nil)
	return list
}

func (s *site) rest(query string, token []byte) (ids []string) {
	for len(token) > 0 {
		var page []string
		page, token = s.page(query, 4, token)
		ids = append(ids, page...)
	}
	return ids
}

func (s *site) page(query string, size int32, token []byte) (ids []string, next []byte) {
	s.t.Helper()
	got, err := s.ListWorkflowExecutions(context.Background(), &workflowservice.ListWorkflowExecutionsRequest{
		Namespace: "default", Query: query, PageSize: size, NextPageToken: token,
	})
	require.NoError(s.t, err, query)
	for _, info := range got.Executions {
		ids = append(ids, info.Execution.WorkflowId)
	}
	return ids, got.NextPageToken
}
