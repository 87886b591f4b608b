package visibilitytest

import (
	"context"
	"slices"
	"strings"
	"testing"
)

// sortedNames returns the keys of a map in order, so that tests run the same way every time.
func sortedNames[V any](m map[string]V) []string {
	names := make([]string, 0, len(m))
	for name := range m {
		names = append(names, name)
	}
	slices.SortFunc(names, strings.Compare)
	return names
}

func contextOf(t *testing.T) (context.Context, context.CancelFunc) {
	return context.WithCancel(t.Context())
}
