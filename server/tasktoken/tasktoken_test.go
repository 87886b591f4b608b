package tasktoken

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// FuzzDecode: bytes that are no token are refused; others are read once and for all.
func FuzzDecode(f *testing.F) {
	f.Add([]byte(nil))
	f.Add(Token{NamespaceID: "n"}.Encode())
	f.Add(Token{
		NamespaceID: "n", WorkflowID: "w", RunID: "r", Slot: 7, Exec: 8, ScheduledEventID: 2, StartedEventID: 3, Stamp: 1 << 60,
		Attempt: 2, ActivityID: "a", QueryID: "q", TaskQueue: "t",
	}.Encode())
	f.Fuzz(func(t *testing.T, data []byte) {
		token, err := Decode(data)
		if err != nil {
			require.ErrorIs(t, err, ErrMalformed)
			return
		}
		again, err := Decode(token.Encode())
		require.NoError(t, err)
		require.Equal(t, token, again)
	})
}
