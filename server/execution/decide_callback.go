package execution

import (
	"slices"

	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	historypb "go.temporal.io/api/history/v1"
	"go.temporal.io/api/serviceerror"
	updatepb "go.temporal.io/api/update/v1"
	"google.golang.org/protobuf/proto"

	"perdure/server/nexus"
)

// CallbackAnswered tells what came of an attempt to call a callback's address. Reply: nil.
type CallbackAnswered struct {
	Key int64
	// Attempts are those that had ended when this one began.
	Attempts int32
	Answer   nexus.Answer
	// Chance, from 0 to 1, spreads the attempts of calls that failed together.
	Chance float64
}

func (CallbackAnswered) command() {}

func (t *transition) callbackAnswered(a CallbackAnswered) error {
	known := t.s.Callbacks.get(a.Key)
	if known == nil || !known.Progress.Pending() || known.Progress.Attempts != a.Attempts {
		return ErrStale
	}
	c := t.s.Callbacks.edit(a.Key)
	c.Progress = c.Progress.After(a.Answer, t.env.Now, t.env.Limits.CallbackRetry, a.Chance)
	if !c.Progress.Pending() {
		c.TriggerID, c.Trigger = 0, nil
	}
	t.grow(c.Progress.LastFailure)
	t.durable = true
	return nil
}

// mayRegister refuses callbacks beyond what a run can have.
func (t *transition) mayRegister(callbacks []*commonpb.Callback) error {
	attached := t.s.Callbacks.len() + len(t.s.bufferedCallbacks())
	if len(callbacks) > 0 && attached+len(callbacks) > t.env.Limits.Callbacks {
		return serviceerror.NewFailedPreconditionf("cannot attach more than %d callbacks to a workflow (%d callbacks already attached)", t.env.Limits.Callbacks, attached)
	}
	return nil
}

// mayRegisterOf refuses callbacks beyond what an update, or its run, can have.
func (t *transition) mayRegisterOf(updateID string, callbacks []*commonpb.Callback) error {
	if len(callbacks) == 0 {
		return nil
	}
	attached := 0
	if u := t.s.Updates.get(updateID); u != nil {
		attached = len(u.Request.GetCompletionCallbacks())
	}
	for _, c := range slices.Concat(t.s.Callbacks.values(), t.s.bufferedCallbacks()) {
		if c.registration.updateID == updateID {
			attached++
		}
	}
	if limit := t.env.Limits.CallbacksPerUpdate; attached+len(callbacks) > limit {
		return serviceerror.NewFailedPreconditionf("cannot attach more than %d callbacks to an update (%d callbacks already attached)", limit, attached)
	}
	return t.mayRegister(callbacks)
}

// attachToUpdate adds the callbacks of another call for an update that is known.
// One that has ended tells nobody any more: the answer to the call says how.
func (t *transition) attachToUpdate(known *Update, request *updatepb.Request) error {
	callbacks := request.GetCompletionCallbacks()
	repeated := t.s.KnowsRequest(request.GetRequestId()) || known.Request != nil && known.Request.RequestId == request.GetRequestId()
	if !t.s.Open() || known.Stage == UpdateCompleted || len(callbacks) == 0 || repeated {
		return nil
	}
	if known.Request != nil {
		return t.addToRequest(known, callbacks)
	}
	if err := t.mayRegisterOf(known.ID, callbacks); err != nil {
		return err
	}
	e := t.event(enumspb.EVENT_TYPE_WORKFLOW_EXECUTION_OPTIONS_UPDATED)
	e.WorkerMayIgnore = true
	e.Attributes = &historypb.HistoryEvent_WorkflowExecutionOptionsUpdatedEventAttributes{
		WorkflowExecutionOptionsUpdatedEventAttributes: &historypb.WorkflowExecutionOptionsUpdatedEventAttributes{
			WorkflowUpdateOptions: []*historypb.WorkflowExecutionOptionsUpdatedEventAttributes_WorkflowUpdateOptionsUpdate{{
				UpdateId: known.ID, AttachedRequestId: request.GetRequestId(), AttachedCompletionCallbacks: callbacks,
			}},
		},
	}
	t.record(e)
	if !t.s.KnowsRequest(request.GetRequestId()) {
		t.s.Requests.put(request.GetRequestId(), Request{EventType: enumspb.EVENT_TYPE_WORKFLOW_EXECUTION_OPTIONS_UPDATED})
	}
	return nil
}

// addToRequest puts callbacks beside those of an update that history does not
// know yet. Those that it has already come from the same call.
func (t *transition) addToRequest(known *Update, callbacks []*commonpb.Callback) error {
	var fresh []*commonpb.Callback
	for _, c := range callbacks {
		same := func(other *commonpb.Callback) bool { return proto.Equal(c, other) }
		if !slices.ContainsFunc(known.Request.CompletionCallbacks, same) {
			fresh = append(fresh, c)
		}
	}
	if err := t.mayRegisterOf(known.ID, fresh); err != nil || len(fresh) == 0 {
		return err
	}
	u := t.s.Updates.edit(known.ID)
	u.Request = proto.CloneOf(u.Request)
	u.Request.CompletionCallbacks = append(u.Request.CompletionCallbacks, fresh...)
	return nil
}
