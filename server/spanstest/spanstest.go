// Package spanstest holds what every trace must obey.
package spanstest

import (
	"github.com/stretchr/testify/require"

	"perdure/server/spans"
)

// RequireTree holds a trace against the laws: one root, each other span within its parent, ids that are unique, ends that are not before starts.
func RequireTree(t require.TestingT, list []spans.Span) {
	require.NotEmpty(t, list)
	root := list[0]
	seen := map[spans.SpanID]spans.Span{root.ID: root}
	for i, s := range list {
		require.False(t, s.End.Before(s.Start), "%s ends before it starts", s.Name)
		require.Equal(t, root.Trace, s.Trace)
		require.NotEmpty(t, s.Name)
		for _, l := range s.Links {
			require.NotZero(t, l.Trace)
			require.NotZero(t, l.Span)
		}
		if i == 0 {
			require.Equal(t, s.Remote, s.Parent != spans.SpanID{})
			continue
		}
		require.NotContains(t, seen, s.ID, "%s", s.Name)
		parent, known := seen[s.Parent]
		require.True(t, known, "%s is an orphan", s.Name)
		require.False(t, s.Start.Before(parent.Start) || s.End.After(parent.End), "%s is not within %s", s.Name, parent.Name)
		seen[s.ID] = s
	}
}
