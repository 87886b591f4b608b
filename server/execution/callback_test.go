package execution

import (
	"strings"

	commonpb "go.temporal.io/api/common/v1"
	updatepb "go.temporal.io/api/update/v1"

	"perdure/server/nexus"
)

// callbacks are addresses by their short names.
func (a args) callbacks() []*commonpb.Callback {
	var callbacks []*commonpb.Callback
	for _, name := range strings.Fields(strings.ReplaceAll(a["callbacks"], ",", " ")) {
		callbacks = append(callbacks, &commonpb.Callback{Variant: &commonpb.Callback_Nexus_{Nexus: &commonpb.Callback_Nexus{Url: "http://" + name}}})
	}
	return callbacks
}

// callAnswered is the answer of the address with the name to the call that is due.
func (r *rig) callAnswered(a args) Command {
	for _, c := range r.s.Work(r.now).Calls {
		if c.Callback.URL() != "http://"+a["to"] {
			continue
		}
		return CallbackAnswered{
			Key: c.Callback.Key(), Attempts: c.Callback.Progress.Attempts, Answer: nexus.AnswerOf(nexus.Response{StatusCode: int(a.number("status"))}),
		}
	}
	return CallbackAnswered{Key: -1}
}

// update is a request with callbacks of its own.
func (a args) update() *updatepb.Request {
	request := updateRequest(a["id"])
	request.RequestId, request.CompletionCallbacks = a["request"], a.callbacks()
	return request
}
