package execution

import (
	commonpb "go.temporal.io/api/common/v1"
	"go.temporal.io/api/serviceerror"

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
