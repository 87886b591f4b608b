package editdistance

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestOf(t *testing.T) {
	for _, c := range []struct {
		a, b  string
		limit int
		want  int
	}{
		{"", "", 3, 0},
		{"status", "status", 3, 0},
		{"status", "statsu", 3, 2},
		{"status", "tatus", 3, 1},
		{"status", "statuses", 3, 2},
		{"status", "xtatus", 3, 1},
		{"status", "other", 3, 3},
		{"a", "abcdefg", 3, 3},
		{"", "ab", 3, 2},
	} {
		require.Equal(t, c.want, Of(c.a, c.b, c.limit), "%q %q", c.a, c.b)
		require.Equal(t, c.want, Of(c.b, c.a, c.limit), "%q %q", c.b, c.a)
	}
}
