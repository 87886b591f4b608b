package frontend

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// FuzzVersions: what a client says of its version and of those it supports is read or refused, and the order of versions is one.
func FuzzVersions(f *testing.F) {
	f.Add("1.2.3", "1.2.3-beta+5", ">=1.0.0 <2.0.0 || =3.1.0")
	f.Add("", "1.2", "<=1.0.0")
	f.Add("1.2.3-", "0.0.0", " || ")
	f.Fuzz(func(t *testing.T, first, second, allowed string) {
		v, err := parseVersion(first)
		if err != nil {
			return
		}
		require.Zero(t, v.compare(v))
		if w, err := parseVersion(second); err == nil {
			require.Equal(t, v.compare(w), -w.compare(v))
		}
		if in, err := parseVersionRange(allowed); err == nil {
			out, err := parseVersionRange(allowed + " || " + allowed)
			require.NoError(t, err)
			require.Equal(t, in(v), out(v))
		}
	})
}
