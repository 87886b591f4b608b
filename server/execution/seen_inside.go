package execution

import (
	"slices"

	historypb "go.temporal.io/api/history/v1"
	"google.golang.org/protobuf/encoding/protowire"

	"perdure/visibility/inside"
)

// SeenInside is what a run has done as far as search may know, with what is not
// to be found left out. It is never changed, so that states may share it.
type SeenInside struct {
	ActivityTypes, ActivityIDs, SignalNames []string
	Result                                  string
}

func (s *SeenInside) encode(e *encoder) {
	for _, name := range s.ActivityTypes {
		e.text(1, name)
	}
	for _, id := range s.ActivityIDs {
		e.text(2, id)
	}
	for _, name := range s.SignalNames {
		e.text(3, name)
	}
	e.text(4, s.Result)
}

func (s *SeenInside) decode(field protowire.Number, v value) {
	switch field {
	case 1:
		s.ActivityTypes = append(s.ActivityTypes, v.text())
	case 2:
		s.ActivityIDs = append(s.ActivityIDs, v.text())
	case 3:
		s.SignalNames = append(s.SignalNames, v.text())
	case 4:
		s.Result = v.text()
	}
}

// seeInside notes what an event tells of what the namespace lets search look at.
func (t *transition) seeInside(e *historypb.HistoryEvent) {
	look := &t.env.Namespace.Look
	if !look.Activities && !look.Signals && !look.Result {
		return
	}
	var next SeenInside
	if seen := t.s.Seen.Inside; seen != nil {
		next = *seen
	}
	switch a := e.Attributes.(type) {
	case *historypb.HistoryEvent_ActivityTaskScheduledEventAttributes:
		if !look.Activities {
			return
		}
		scheduled := a.ActivityTaskScheduledEventAttributes
		next.ActivityTypes = t.withWord(next.ActivityTypes, look.Hide(scheduled.GetActivityType().GetName()))
		next.ActivityIDs = t.withWord(next.ActivityIDs, look.Hide(scheduled.GetActivityId()))
	case *historypb.HistoryEvent_WorkflowExecutionSignaledEventAttributes:
		if !look.Signals {
			return
		}
		next.SignalNames = t.withWord(next.SignalNames, look.Hide(a.WorkflowExecutionSignaledEventAttributes.GetSignalName()))
	case *historypb.HistoryEvent_WorkflowExecutionCompletedEventAttributes:
		if !look.Result {
			return
		}
		next.Result = look.Text(a.WorkflowExecutionCompletedEventAttributes.GetResult())
		t.grown += len(next.Result)
	default:
		return
	}
	t.s.Seen.Inside = &next
}

// withWord returns the words and one more, unless it is there or they are too many.
func (t *transition) withWord(words []string, word string) []string {
	length := len(word)
	for _, known := range words {
		length += len(known)
	}
	if word == "" || length > inside.BytesMax || slices.Contains(words, word) {
		return words
	}
	t.grown += len(word) + 2
	return append(slices.Clip(words), word)
}
