package history

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	historypb "go.temporal.io/api/history/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/api/workflowservice/v1"

	"perdure/server/callspan"
	"perdure/server/cluster"
	"perdure/server/execution"
)

// pageToken is where the next page of a history begins. It binds the run, so
// that a page is never taken from a later one.
type pageToken struct {
	RunID string `json:"run"`
	Next  int64  `json:"next"`
}

func (t pageToken) encode() []byte {
	b, err := json.Marshal(t)
	if err != nil {
		panic(err) // two plain fields always marshal
	}
	return b
}

func decodePageToken(b []byte, runID string) (pageToken, error) {
	var t pageToken
	if err := json.Unmarshal(b, &t); err != nil || t.RunID == "" || t.Next < 1 {
		return t, serviceerror.NewInvalidArgument("Invalid NextPageToken.")
	}
	if runID != "" && runID != t.RunID {
		return t, serviceerror.NewInvalidArgument("RunId in the request does not match the NextPageToken.")
	}
	return t, nil
}

// historyPageMax is the default and the cap of a page, in events.
const historyPageMax = 256

// answerReserve is kept of a caller's deadline so that the answer arrives in time.
const answerReserve = time.Second

func (e *Engine) GetWorkflowExecutionHistory(ctx context.Context, ns *cluster.Namespace, req *workflowservice.GetWorkflowExecutionHistoryRequest, hideTransient bool) (*workflowservice.GetWorkflowExecutionHistoryResponse, error) {
	token := pageToken{RunID: req.Execution.GetRunId(), Next: 1}
	if len(req.NextPageToken) > 0 {
		var err error
		if token, err = decodePageToken(req.NextPageToken, token.RunID); err != nil {
			return nil, err
		}
	}
	for {
		en, err := e.find(ctx, ns.ID, req.Execution.GetWorkflowId(), token.RunID)
		if err != nil {
			return nil, err
		}
		r, err := e.history(ctx, en, req, token, hideTransient)
		en.shard.unpin(en)
		if !errors.Is(err, errEvicted) {
			return r, err
		}
	}
}

func (e *Engine) history(ctx context.Context, en *entry, req *workflowservice.GetWorkflowExecutionHistoryRequest, token pageToken, hideTransient bool) (*workflowservice.GetWorkflowExecutionHistoryResponse, error) {
	closeOnly := req.HistoryEventFilterType == enumspb.HISTORY_EVENT_FILTER_TYPE_CLOSE_EVENT
	state, err := e.awaitNews(ctx, en, req, token)
	if err != nil {
		return nil, err
	}
	token.RunID = en.runID
	concerns(callspan.From(ctx), state, nil)
	if closeOnly {
		return e.closeEvent(ctx, en, state, req.WaitNewEvent, token)
	}
	limit := pageSize(req.MaximumPageSize)
	events, err := e.events(ctx, en, token.Next, state.NextEventID, limit)
	if err != nil {
		return nil, err
	}
	events = cutBytes(events, taskPageBytes)
	r := &workflowservice.GetWorkflowExecutionHistoryResponse{History: &historypb.History{Events: events}}
	token.Next += int64(len(events))
	caughtUp := token.Next >= state.NextEventID
	if caughtUp && !hideTransient && !req.WaitNewEvent {
		r.History.Events = append(events[:len(events):len(events)], provisional(state)...)
	}
	if !caughtUp || (req.WaitNewEvent && state.Open()) {
		r.NextPageToken = token.encode()
	}
	return r, nil
}

func pageSize(asked int32) int {
	if asked <= 0 || asked > historyPageMax {
		return historyPageMax
	}
	return int(asked)
}

// closeEvent answers a request for the last event only.
func (e *Engine) closeEvent(ctx context.Context, en *entry, s *execution.State, wait bool, token pageToken) (*workflowservice.GetWorkflowExecutionHistoryResponse, error) {
	r := &workflowservice.GetWorkflowExecutionHistoryResponse{History: &historypb.History{}}
	if s.Open() {
		if wait {
			r.NextPageToken = token.encode()
		}
		return r, nil
	}
	last, err := e.event(ctx, en, s.CloseEventID)
	if err != nil {
		return nil, err
	}
	r.History.Events = []*historypb.HistoryEvent{last}
	return r, nil
}

// awaitNews returns the visible state, after waiting for news if that is asked for and there are none.
func (e *Engine) awaitNews(ctx context.Context, en *entry, req *workflowservice.GetWorkflowExecutionHistoryRequest, token pageToken) (*execution.State, error) {
	closeOnly := req.HistoryEventFilterType == enumspb.HISTORY_EVENT_FILTER_TYPE_CLOSE_EVENT
	resumed := len(req.NextPageToken) > 0
	var patience *time.Timer
	for {
		state, changed, err := en.view(ctx)
		if err != nil {
			return nil, err
		}
		hasNews := !state.Open() || (!closeOnly && (!resumed || state.NextEventID > token.Next))
		if !req.WaitNewEvent || hasNews {
			return state, nil
		}
		if patience == nil {
			patience = time.NewTimer(patienceOf(ctx, e.cfg.LongPoll))
			defer patience.Stop()
			e.metrics.longPolls.Add(1)
			defer e.metrics.longPolls.Add(-1)
		}
		select {
		case <-changed:
		case <-patience.C:
			return state, nil
		case <-e.draining:
			return state, nil
		case <-ctx.Done():
			return nil, contextError(ctx)
		}
	}
}

// patienceOf is how long a call may wait so that its answer still arrives in time.
func patienceOf(ctx context.Context, longest time.Duration) time.Duration {
	if deadline, ok := ctx.Deadline(); ok {
		return max(0, min(longest, time.Until(deadline)-answerReserve))
	}
	return longest
}

// early ends a little before the caller's deadline, so that the caller hears
// why instead of seeing its connection cut.
func early(ctx context.Context) (context.Context, context.CancelFunc) {
	deadline, ok := ctx.Deadline()
	if !ok {
		return ctx, func() {}
	}
	return context.WithDeadline(ctx, deadline.Add(-min(50*time.Millisecond, time.Until(deadline)/10)))
}

func (e *Engine) GetWorkflowExecutionHistoryReverse(ctx context.Context, ns *cluster.Namespace, req *workflowservice.GetWorkflowExecutionHistoryReverseRequest) (*workflowservice.GetWorkflowExecutionHistoryReverseResponse, error) {
	token := pageToken{RunID: req.Execution.GetRunId()}
	if len(req.NextPageToken) > 0 {
		var err error
		if token, err = decodePageToken(req.NextPageToken, token.RunID); err != nil {
			return nil, err
		}
	}
	en, state, err := e.look(ctx, ns, req.Execution.GetWorkflowId(), token.RunID)
	if err != nil {
		return nil, err
	}
	defer en.shard.unpin(en)
	end := state.NextEventID // behind the first event of the page
	if token.Next > 0 {
		end = min(end, token.Next)
	}
	from := max(1, end-int64(pageSize(req.MaximumPageSize)))
	events, err := e.events(ctx, en, from, end, historyPageMax)
	if err != nil {
		return nil, err
	}
	reversed := slices.Clone(events)
	slices.Reverse(reversed)
	r := &workflowservice.GetWorkflowExecutionHistoryReverseResponse{History: &historypb.History{Events: reversed}}
	if from > 1 {
		r.NextPageToken = pageToken{RunID: en.runID, Next: from}.encode()
	}
	return r, nil
}
