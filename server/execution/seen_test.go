package execution

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
	failurepb "go.temporal.io/api/failure/v1"
)

// showSearch is what search hears of the last step, and would find now.
func (r *rig) showSearch() string {
	var b strings.Builder
	if r.last.VisibilityChanged {
		b.WriteString("search hears of it\n")
	}
	found := r.s.SearchColumns()
	for _, key := range slices.Sorted(maps.Keys(found)) {
		fmt.Fprintf(&b, "%s %s\n", key, found[key].Data)
	}
	return b.String()
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
	s := &State{RunID: "r", NextEventID: 2, Seen: Seen{ProgressTime: epoch, Worker: "w", FailureType: "T", FailureMessage: "m"}}
	encoded, err := s.Encode()
	require.NoError(t, err)
	decoded, err := Decode(encoded)
	require.NoError(t, err)
	require.Equal(t, s.Seen, decoded.Seen)
}
