package history

import (
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	commandpb "go.temporal.io/api/command/v1"
	enumspb "go.temporal.io/api/enums/v1"
	failurepb "go.temporal.io/api/failure/v1"

	"perdure/server/callspan"
	"perdure/server/spans"
	"perdure/server/spanstest"
)

// album keeps the traces of closed runs.
type album struct {
	rules spans.Rules
	max   int

	mu      sync.Mutex
	traces  [][]spans.Span
	dropped int
}

func (a *album) Wants(e spans.Ended) bool   { return a.rules.Keep(e) != "" }
func (a *album) Fill(r spans.Run) spans.Run { return r }
func (a *album) RunsMax() int               { return a.max }
func (a *album) Dropped()                   { a.change(func() { a.dropped++ }) }
func (a *album) Take(list []spans.Span)     { a.change(func() { a.traces = append(a.traces, list) }) }
func (a *album) change(f func())            { a.mu.Lock(); defer a.mu.Unlock(); f() }
func (a *album) seen() (n int)              { a.change(func() { n = len(a.traces) }); return n }
func (a *album) trace(i int) (list []spans.Span) {
	a.change(func() { list = a.traces[i] })
	return list
}
func (a *album) lost() (n int) { a.change(func() { n = a.dropped }); return n }

var caller = spans.ParseContext("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "")

// beginTraced starts a workflow for a caller that keeps a trace.
func (n *node) beginTraced(id string) (runID string, call *callspan.Call) {
	n.t.Helper()
	ctx, call := callspan.With(n.t.Context(), caller)
	r, err := n.StartWorkflowExecution(ctx, shop, startRequest(id, "start "+id))
	require.NoError(n.t, err)
	return r.RunId, call
}

func TestClosedRunsAreTraced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		kept := &album{rules: spans.Rules{Failures: true}, max: 10}
		n := startNode(t, newData(t), newIndex(), Config{Traces: kept})
		n.begin("fine")
		n.complete(n.take(), finish())
		failed := n.begin("fails")
		n.complete(n.take(), &commandpb.Command{CommandType: enumspb.COMMAND_TYPE_FAIL_WORKFLOW_EXECUTION, Attributes: &commandpb.Command_FailWorkflowExecutionCommandAttributes{
			FailWorkflowExecutionCommandAttributes: &commandpb.FailWorkflowExecutionCommandAttributes{Failure: &failurepb.Failure{Message: "bad"}},
		}})
		n.eventually("the trace is made", func() bool { return kept.seen() == 1 })
		list := kept.trace(0)
		spanstest.RequireTree(t, list)
		require.Equal(t, spans.RunTrace(failed), list[0].Trace)
		require.Equal(t, "bad", list[0].Message)
		require.Len(t, list, 3)
		require.Zero(t, kept.lost())
		n.close()
	})
}

// TestTheCallersTraceOutlivesACrash: what a caller sent is stored with the run, for itself, its children and what follows it.
func TestTheCallersTraceOutlivesACrash(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		data, records, kept := newData(t), newIndex(), &album{max: 10}
		n := startNode(t, data, records, Config{Traces: kept})
		run, call := n.beginTraced("a")
		origin, link, parts := call.Found()
		require.Equal(t, caller, origin)
		require.Equal(t, spans.Link{Trace: caller.Trace, Span: spans.Root(run), Relation: "run"}, link)
		require.Equal(t, "commit", parts[0].Name)
		n.crash()

		n = startNode(t, data, records, Config{Traces: kept})
		n.complete(n.take(), child("c", enumspb.PARENT_CLOSE_POLICY_ABANDON))
		n.complete(n.poll("parcels", 10*time.Second), finish())
		n.complete(n.take(), finish())
		n.eventually("the traces of the run and its child are made", func() bool { return kept.seen() == 2 })
		all := map[spans.SpanID]spans.Span{}
		for i := range 2 {
			for _, s := range kept.trace(i) {
				require.Equal(t, caller.Trace, s.Trace)
				all[s.ID] = s
			}
		}
		for _, s := range all {
			_, known := all[s.Parent]
			require.True(t, known || s.Parent == caller.Span, "%s is an orphan", s.Name)
		}
		stored, err := n.TraceOrigin(t.Context(), shop, "a", run)
		require.NoError(t, err)
		require.Equal(t, spans.Origin{Context: caller}, stored)
		n.close()
	})
}

func TestNothingIsStoredOfCallersWithoutATrace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := startNode(t, newData(t), newIndex(), Config{Traces: &album{max: 1}})
		run := n.begin("a")
		stored, err := n.TraceOrigin(t.Context(), shop, "a", run)
		require.NoError(t, err)
		require.Zero(t, stored)
		n.close()
	})
}

func TestTooManyClosedRunsAreDropped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		kept := &album{rules: spans.Rules{Share: 1}, max: 2}
		n := startNode(t, newData(t), newIndex(), Config{Traces: kept})
		begin := func(id string) {
			n.begin(id)
			n.complete(n.take(), finish())
		}
		release := n.gate.hold("History")
		begin("under way")
		synctest.Wait()
		begin("first to wait")
		begin("second to wait")
		require.Zero(t, kept.lost())
		begin("one too many")
		require.Equal(t, 1, kept.lost())
		release()
		n.eventually("the others are traced", func() bool { return kept.seen() == 3 })
		n.close()
	})
}

// TestTheEndDoesNotWaitForTraces: a store that does not answer holds up no stop for long.
func TestTheEndDoesNotWaitForTraces(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		kept := &album{rules: spans.Rules{Share: 1}, max: 2}
		n := startNode(t, newData(t), newIndex(), Config{Traces: kept})
		n.begin("a")
		n.complete(n.take(), finish())
		n.eventually("the trace is made", func() bool { return kept.seen() == 1 })
		began := time.Now()
		n.close()
		require.Less(t, time.Since(began), tracesTimeout)
	})
}
