package execution

import (
	"math/bits"
	"strings"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	failurepb "go.temporal.io/api/failure/v1"
	historypb "go.temporal.io/api/history/v1"
	"google.golang.org/protobuf/encoding/protowire"

	"perdure/visibility/inside"
)

// SeenFailureBytesMax is how much of a failure's message is kept for search.
// The state is written with each transition.
const SeenFailureBytesMax = 1 << 10

// Seen is what a run remembers for search alone. Nothing depends on it.
type Seen struct {
	ProgressTime   time.Time // of the last event that tells of no failed or late workflow task
	Worker         string    // identity of the worker that took a task last
	FailureType    string    // of the last failure of the run, an activity, a child or a workflow task
	FailureMessage string    // of the same, with those of its causes
	Inside         *SeenInside
}

func (s *Seen) encode(e *encoder) {
	e.time(1, s.ProgressTime)
	e.text(2, s.Worker)
	e.text(3, s.FailureType)
	e.text(4, s.FailureMessage)
	if s.Inside != nil {
		e.record(5, s.Inside.encode)
	}
}

func (s *Seen) decode(field protowire.Number, v value) {
	switch field {
	case 1:
		s.ProgressTime = v.time()
	case 2:
		s.Worker = v.text()
	case 3:
		s.FailureType = v.text()
	case 4:
		s.FailureMessage = v.text()
	case 5:
		s.Inside = &SeenInside{}
		v.record(s.Inside.decode)
	}
}

// see notes what an event tells.
func (s *Seen) see(e *historypb.HistoryEvent) {
	switch a := e.Attributes.(type) {
	case *historypb.HistoryEvent_WorkflowTaskFailedEventAttributes:
		s.seeTaskFailure(a.WorkflowTaskFailedEventAttributes.Cause, a.WorkflowTaskFailedEventAttributes.Failure)
		return
	case *historypb.HistoryEvent_WorkflowTaskTimedOutEventAttributes:
		if a.WorkflowTaskTimedOutEventAttributes.TimeoutType == enumspb.TIMEOUT_TYPE_START_TO_CLOSE {
			s.FailureType, s.FailureMessage = "WorkflowTaskTimedOut", ""
		}
		return
	case *historypb.HistoryEvent_WorkflowTaskStartedEventAttributes:
		s.seeWorker(a.WorkflowTaskStartedEventAttributes.Identity)
	case *historypb.HistoryEvent_ActivityTaskFailedEventAttributes:
		s.seeFailure(a.ActivityTaskFailedEventAttributes.Failure)
	case *historypb.HistoryEvent_ActivityTaskTimedOutEventAttributes:
		s.seeFailure(a.ActivityTaskTimedOutEventAttributes.Failure)
	case *historypb.HistoryEvent_ChildWorkflowExecutionFailedEventAttributes:
		s.seeFailure(a.ChildWorkflowExecutionFailedEventAttributes.Failure)
	case *historypb.HistoryEvent_WorkflowExecutionFailedEventAttributes:
		s.seeFailure(a.WorkflowExecutionFailedEventAttributes.Failure)
	case *historypb.HistoryEvent_WorkflowExecutionTimedOutEventAttributes:
		s.FailureType, s.FailureMessage = "Timeout", "workflow timeout"
	}
	s.ProgressTime = e.EventTime.AsTime()
}

func (s *Seen) seeWorker(identity string) {
	if identity != "" {
		s.Worker = identity
	}
}

// seeTaskFailure notes the failure of a workflow task, whose cause tells more than the type of its failure.
func (s *Seen) seeTaskFailure(cause enumspb.WorkflowTaskFailedCause, f *failurepb.Failure) {
	if cause == enumspb.WORKFLOW_TASK_FAILED_CAUSE_RESET_WORKFLOW {
		return // an operator's wish
	}
	s.FailureType, s.FailureMessage = cause.String(), messagesOf(f)
}

func (s *Seen) seeFailure(f *failurepb.Failure) {
	if f != nil {
		s.FailureType, s.FailureMessage = typeOf(f), messagesOf(f)
	}
}

// typeOf is the type that the application gave to a failure or one of its
// causes, else the kind of the innermost.
func typeOf(f *failurepb.Failure) string {
	kind := ""
	for ; f != nil; f = f.Cause {
		switch info := f.FailureInfo.(type) {
		case *failurepb.Failure_ApplicationFailureInfo:
			kind = "Application"
			if info.ApplicationFailureInfo.Type != "" {
				return inside.Cut(info.ApplicationFailureInfo.Type, SeenFailureBytesMax)
			}
		case *failurepb.Failure_TimeoutFailureInfo:
			kind = "Timeout"
		case *failurepb.Failure_CanceledFailureInfo:
			kind = "Canceled"
		case *failurepb.Failure_TerminatedFailureInfo:
			kind = "Terminated"
		case *failurepb.Failure_ServerFailureInfo:
			kind = "Server"
		}
	}
	return kind
}

// messagesOf joins the messages of a failure and its causes.
func messagesOf(f *failurepb.Failure) string {
	var messages []string
	for length := 0; f != nil && length < SeenFailureBytesMax; f = f.Cause {
		if f.Message != "" {
			messages = append(messages, f.Message)
			length += len(f.Message)
		}
	}
	return inside.Cut(strings.Join(messages, ": "), SeenFailureBytesMax)
}

// noteAttempt makes search hear of every second, fourth, eighth … attempt: often
// enough to be found, and so seldom that retries do not storm it.
func (t *transition) noteAttempt(attempt int32) {
	if attempt > 1 && bits.OnesCount32(uint32(attempt)) == 1 {
		t.visibility = true
	}
}
