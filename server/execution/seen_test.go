package execution

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
	commandpb "go.temporal.io/api/command/v1"
	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	failurepb "go.temporal.io/api/failure/v1"
	"go.temporal.io/api/workflowservice/v1"

	"perdure/visibility/inside"
)

// showSearch is what search hears of the last step, and would find now.
func (r *rig) showSearch() string {
	var b strings.Builder
	if r.last.VisibilityChanged {
		b.WriteString("search hears of it\n")
	}
	found := r.s.SearchColumns(&r.look)
	for _, key := range slices.Sorted(maps.Keys(found)) {
		fmt.Fprintf(&b, "%s %s\n", key, found[key].Data)
	}
	return b.String()
}

// lookAt is what search may look at from now on.
func (r *rig) lookAt(words string) string {
	look, err := inside.Parse(words)
	require.NoError(r.t, err)
	r.look = look
	return "ok\n"
}

func TestFailureMessagesAreJoinedAndCut(t *testing.T) {
	inner := &failurepb.Failure{Message: "card declined", FailureInfo: &failurepb.Failure_ApplicationFailureInfo{
		ApplicationFailureInfo: &failurepb.ApplicationFailureInfo{Type: "CardDeclined"},
	}}
	outer := &failurepb.Failure{Message: "activity error", Cause: inner, FailureInfo: &failurepb.Failure_ActivityFailureInfo{}}
	require.Equal(t, "activity error: card declined", messagesOf(outer))
	require.Equal(t, "CardDeclined", typeOf(outer))
	require.Equal(t, "Timeout", typeOf(timeoutFailure("late", 1, nil)))
	require.Empty(t, typeOf(nil))

	exactly := strings.Repeat("x", SeenFailureBytesMax)
	require.Equal(t, exactly, messagesOf(&failurepb.Failure{Message: exactly}))
	require.Equal(t, exactly, messagesOf(&failurepb.Failure{Message: exactly + "y"}))
	cut := messagesOf(&failurepb.Failure{Message: exactly[1:] + "é"})
	require.True(t, utf8.ValidString(cut))
	require.Equal(t, exactly[1:], cut)
}

func TestSeenSurvivesStorage(t *testing.T) {
	s := &State{RunID: "r", NextEventID: 2, Seen: Seen{ProgressTime: epoch, Worker: "w", FailureType: "T", FailureMessage: "m", Inside: &SeenInside{
		ActivityTypes: []string{"A", "B"}, ActivityIDs: []string{"a"}, SignalNames: []string{"s"}, Result: "done",
	}}}
	encoded, err := s.Encode()
	require.NoError(t, err)
	decoded, err := Decode(encoded)
	require.NoError(t, err)
	require.Equal(t, s.Seen, decoded.Seen)
}

// Names that a run has done are bounded: those that come later are not found.
func TestSeenNamesAreBounded(t *testing.T) {
	r := newRig(t)
	r.look = inside.Look{Signals: true}
	r.begin(Start{Request: startRequest()})
	name := strings.Repeat("x", inside.BytesMax/8-1)
	for i := range 9 {
		_, err := r.do(Signal{Name: fmt.Sprint(name, i), RequestID: fmt.Sprint(i)})
		require.NoError(t, err)
	}
	require.Len(t, r.s.Seen.Inside.SignalNames, 8, "8 KiB of them")
	_, err := r.do(Signal{Name: name + "0", RequestID: "again"})
	require.NoError(t, err)
	require.Len(t, r.s.Seen.Inside.SignalNames, 8)
}

// Nothing of a payload in an encoding that is not known to be readable is found, whatever it is part of.
func TestNothingEncryptedIsFound(t *testing.T) {
	for encoding, readable := range map[string]bool{"binary/encrypted": false, "json/plain": true} {
		secret := &commonpb.Payload{Metadata: map[string][]byte{"encoding": []byte(encoding)}, Data: []byte(`{"card": "secret"}`)}
		payloads := &commonpb.Payloads{Payloads: []*commonpb.Payload{secret}}
		r := newRig(t)
		r.lookAt("all")
		request := startRequest()
		request.Input, request.Memo = payloads, &commonpb.Memo{Fields: map[string]*commonpb.Payload{"m": secret}}
		r.begin(Start{Request: request})
		_, err := r.do(Signal{Name: "s", Input: payloads, RequestID: "s"})
		require.NoError(t, err)
		_, err = r.startTask()
		require.NoError(t, err)
		done := &commandpb.CompleteWorkflowExecutionCommandAttributes{Result: payloads}
		_, err = r.complete(&workflowservice.RespondWorkflowTaskCompletedRequest{Commands: []*commandpb.Command{{
			CommandType: enumspb.COMMAND_TYPE_COMPLETE_WORKFLOW_EXECUTION,
			Attributes:  &commandpb.Command_CompleteWorkflowExecutionCommandAttributes{CompleteWorkflowExecutionCommandAttributes: done},
		}}})
		require.NoError(t, err)
		found := ""
		for key, p := range r.s.SearchColumns(&r.look) {
			found += key + " " + string(p.Data) + "\n"
		}
		require.Equal(t, readable, strings.Contains(found, "secret"), found)
		require.Equal(t, readable, strings.Contains(found, "perdure_Input"), found)
		require.Equal(t, readable, strings.Contains(found, "perdure_Result"), found)
		require.Equal(t, readable, strings.Contains(found, "perdure_Memo.m"), found)
		require.Contains(t, found, "perdure_SignalNames")
	}
}
