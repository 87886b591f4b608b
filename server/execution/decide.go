package execution

import (
	"errors"
	"fmt"

	"go.temporal.io/api/serviceerror"

	enumspb "go.temporal.io/api/enums/v1"
)

// ErrStale tells that a task or an acknowledgement is not wanted any more.
var ErrStale = errors.New("stale")

// Decide says what is to become of a run when a command meets it. It does not
// change s. The error is a serviceerror for a caller's mistake, or ErrStale;
// then nothing is to be done.
func Decide(s *State, c Command, env Env) (Decision, error) {
	t := begin(s, env)
	if err := t.decide(c); err != nil {
		return Decision{}, err
	}
	t.keepSpeculative(s.Task, c)
	t.limitBuffer()
	t.weigh(s)
	excess, err := t.excess(s, c)
	if err != nil {
		return Decision{}, err
	}
	if excess != nil {
		t = begin(s, env)
		t.endFor(excess)
	}
	return t.decision(), nil
}

func (t *transition) decide(c Command) error {
	switch c := c.(type) {
	case Signal:
		return t.signal(c)
	case RequestCancel:
		return t.requestCancel(c)
	case Terminate:
		return t.terminate(c)
	case AttachRequest:
		return t.attachRequest(c)
	case StartTask:
		return t.startTask(c)
	case CompleteTask:
		return t.completeTask(c)
	case FailTask:
		return t.failTask(c)
	case RefuseSticky:
		return t.refuseSticky(c)
	case ResetSticky:
		return t.resetSticky()
	case AdmitUpdate:
		return t.admitUpdate(c)
	case Tick:
		return t.tick()
	case NoteReset:
		return t.noteReset(c)
	case TerminateForReset:
		return t.terminateForReset(c)
	default:
		return t.decideOther(c)
	}
}

// decideOther takes the commands about activities and other runs.
func (t *transition) decideOther(c Command) error {
	switch c := c.(type) {
	case StartActivity:
		return t.startActivity(c)
	case HeartbeatActivity:
		return t.heartbeatActivity(c)
	case CompleteActivity:
		return t.completeActivity(c)
	case FailActivity:
		return t.failActivity(c)
	case CancelActivity:
		return t.cancelActivity(c)
	case ChildStarted:
		return t.childStarted(c)
	case ChildStartFailed:
		return t.childStartFailed(c)
	case ChildClosed:
		return t.childClosed(c)
	case SignalDelivered:
		return t.signalDelivered(c)
	case CancelDelivered:
		return t.cancelDelivered(c)
	case ParentNotified:
		return t.parentNotified()
	case ClosePolicyDone:
		return t.closePolicyDone()
	case CallbackAnswered:
		return t.callbackAnswered(c)
	}
	if known, err := t.decideOperation(c); known {
		return err
	}
	return fmt.Errorf("execution: unknown command %T", c)
}

// The errors that clients know.

func errCompleted() error {
	return serviceerror.NewNotFound("workflow execution already completed")
}

func errTaskNotFound() error {
	return serviceerror.NewNotFound("Workflow task not found.")
}

func errActivityNotFound() error {
	return serviceerror.NewNotFound("invalid activityID or activity already timed out or invoking workflow is completed")
}

func errClosing() error {
	return &serviceerror.ResourceExhausted{
		Cause:   enumspb.RESOURCE_EXHAUSTED_CAUSE_BUSY_WORKFLOW,
		Scope:   enumspb.RESOURCE_EXHAUSTED_SCOPE_NAMESPACE,
		Message: "workflow operation can not be applied because workflow is closing",
	}
}
