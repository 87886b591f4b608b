package execution

import (
	"fmt"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	"google.golang.org/protobuf/proto"
)

// pass notes a limit, by its name in docs/limits.md.
func (t *transition) pass(limit string, size int64) {
	t.passed = append(t.passed, Passed{Limit: limit, Size: size})
}

// warn notes a limit that refuses nothing when size is above it.
func (t *transition) warn(limit string, size, above int) {
	if size > above {
		t.pass(limit, int64(size))
	}
}

// limitBuffer fails a started task behind which too much has gathered.
func (t *transition) limitBuffer() {
	switch count, bytes := len(t.s.Buffered), bytesOf(t.s.Buffered); {
	case count > t.env.Limits.BufferedEvents:
		t.pass("buffered_events_max", int64(count))
	case bytes > t.env.Limits.BufferedBytes:
		t.pass("buffered_bytes_max", int64(bytes))
	default:
		return
	}
	attempt := t.s.Task.Attempt
	t.closeStartedTask()
	t.nextAttempt(attempt, taskFailedProblems(enumspb.WORKFLOW_TASK_FAILED_CAUSE_FORCE_CLOSE_COMMAND)...)
}

// excess is what makes a run too large to go on.
type excess struct {
	limit   string
	size    int64
	reason  string // of the end of the run
	details string
}

// excess tells what the transition that follows before makes too large. An
// error refuses the command and leaves the run alone. A run that closes may
// pass: that is what its size asks for.
func (t *transition) excess(before *State, c Command) (*excess, error) {
	if err := t.largeTransaction(before, c); err != nil {
		if _, byTask := c.(CompleteTask); !byTask {
			return nil, err
		}
		return &excess{"transaction_bytes_max", t.s.HistorySize - before.HistorySize, "Transaction size exceeds limit.", err.Error()}, nil
	}
	if !t.s.Open() || !t.durable {
		return nil, nil
	}
	limits, events := t.env.Limits, t.s.NextEventID-1
	switch {
	case t.s.HistorySize > limits.HistoryBytes:
		return &excess{limit: "history_bytes_max", size: t.s.HistorySize, reason: "Workflow history size exceeds limit."}, nil
	case events > limits.HistoryEvents:
		return &excess{limit: "history_events_max", size: events, reason: "Workflow history count exceeds limit."}, nil
	case t.s.bytes > limits.StateBytes:
		return &excess{limit: "state_bytes_max", size: int64(t.s.bytes), reason: "Workflow mutable state size exceeds limit."}, nil
	}
	t.warnGrowth("history_bytes_warn", before.HistorySize, t.s.HistorySize, limits.HistoryBytesWarn)
	t.warnGrowth("history_events_warn", before.NextEventID-1, events, limits.HistoryEventsWarn)
	return nil, nil
}

// warnGrowth notes that a run has grown past a limit: once, not with each change from then on.
func (t *transition) warnGrowth(limit string, before, now, above int64) {
	if before <= above && now > above {
		t.pass(limit, now)
	}
}

// largeTransaction is the error when the transition adds more events than one write should have.
func (t *transition) largeTransaction(before *State, c Command) error {
	size := t.s.HistorySize - before.HistorySize
	if size <= t.env.Limits.TransactionBytes || !hasCaller(c) {
		return nil
	}
	return tooLargeTransaction(size, t.env.Limits.TransactionBytes)
}

func tooLargeTransaction(size, limit int64) error {
	return serviceerror.NewInvalidArgument(fmt.Sprintf("transaction size of %d bytes exceeds limit of %d bytes", size, limit))
}

// hasCaller tells whether somebody asked for the command and can be refused.
// What has come to pass anyway has not, and the end of a run must not be.
func hasCaller(c Command) bool {
	switch c.(type) {
	case Tick, Terminate, TerminateForReset, NoteReset, RefuseSticky, FailTask,
		ChildStarted, ChildStartFailed, ChildClosed, SignalDelivered, CancelDelivered, ParentNotified, ClosePolicyDone, CallbackAnswered:
		return false
	}
	return true
}

// endFor terminates the run instead of what would have made it too large.
func (t *transition) endFor(x *excess) {
	t.pass(x.limit, x.size)
	t.closeStartedTask()
	e := t.terminated(x.reason, nil, serverIdentity)
	t.failedCall = serviceerror.NewInvalidArgument(x.reason)
	if x.details != "" {
		e.GetWorkflowExecutionTerminatedEventAttributes().Details = TextPayload(x.details)
		t.failedCall = serviceerror.NewInvalidArgument(x.details)
	}
	t.close(e, false)
}

// entryBytes is more than the encoded state has for an event or a change beside the bytes of it.
const entryBytes = 512

// weigh keeps a bound of the encoded state's size. Only when the bound passes
// a limit is the state encoded to know, since that costs as much as to store it.
func (t *transition) weigh(before *State) {
	events := int(t.s.HistorySize - before.HistorySize)
	buffered := max(0, bytesOf(t.s.Buffered)-bytesOf(before.Buffered))
	t.s.bytes += 2*(events+buffered+t.grown) + entryBytes*(1+len(t.events)+len(t.s.Buffered))
	limits := t.env.Limits
	if t.s.bytes <= limits.StateBytes && (t.s.heavy || t.s.bytes <= limits.StateBytesWarn) {
		return
	}
	encoded, err := t.s.Encode()
	if err != nil {
		return // the commit will tell
	}
	t.s.bytes = len(encoded)
	if t.s.bytes > limits.StateBytesWarn && !t.s.heavy {
		t.pass("state_bytes_warn", int64(t.s.bytes))
	}
	t.s.heavy = t.s.bytes > limits.StateBytesWarn
}

// grow notes bytes that go into the state without an event.
func (t *transition) grow(messages ...proto.Message) {
	for _, m := range messages {
		t.grown += proto.Size(m)
	}
}
