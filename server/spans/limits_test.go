package spans

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	historypb "go.temporal.io/api/history/v1"
)

func TestLimitsOfASpan(t *testing.T) {
	require.Equal(t, strings.Repeat("a", valueBytesMax), cut(strings.Repeat("a", valueBytesMax)))
	require.Equal(t, strings.Repeat("a", valueBytesMax-1), cut(strings.Repeat("a", valueBytesMax-1)+"é"), "no half of a letter")
	b := newBuilder(Run{}, &historypb.WorkflowExecutionStartedEventAttributes{})
	s := &Span{}
	for range eventsMax + 3 {
		b.note(s, &historypb.HistoryEvent{}, "n")
	}
	require.Len(t, s.Events, eventsMax)
	require.Equal(t, 3, s.LeftOut)
	for range linksMax + 3 {
		s.link(ownRoot("r"), "follows")
	}
	require.Len(t, s.Links, linksMax)
}
