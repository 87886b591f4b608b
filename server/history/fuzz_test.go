package history

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/api/serviceerror"

	"perdure/server/store"
	"perdure/visibility"
)

// FuzzDecodeLog: bytes that are no log row are refused; others are read once and for all.
func FuzzDecodeLog(f *testing.F) {
	f.Add([]byte{1})
	f.Add(encodeLog([]logTask{
		{key: store.ExecutionKey{Slot: 4095, Exec: 1 << 40}, wakeAt: atOnce, visibility: true},
		{key: store.ExecutionKey{Slot: 1, Exec: 2}, wakeAt: time.Unix(1_800_000_000, 0).UTC()},
		{gone: &visibility.Record{NamespaceID: "n", WorkflowID: "w", RunID: "r", Version: 9, Deleted: true}, visibility: true},
	}, time.Unix(1_800_000_000, 0)))
	f.Fuzz(func(t *testing.T, data []byte) {
		tasks, at, err := decodeLog(data)
		if err != nil {
			require.ErrorIs(t, err, store.ErrDamaged)
			return
		}
		again, _, err := decodeLog(encodeLog(tasks, at))
		require.NoError(t, err)
		require.Equal(t, tasks, again)
	})
}

// FuzzDecodeCursors: the same of the cursors in a checkpoint.
func FuzzDecodeCursors(f *testing.F) {
	f.Add([]byte(nil))
	f.Add(cursors{Wakes: 1 << 40, Only: 3, Feeds: []feedCursor{{"main", 7, feedScanning}}}.encode())
	f.Fuzz(func(t *testing.T, data []byte) {
		read, err := decodeCursors(data)
		if err != nil {
			require.ErrorIs(t, err, store.ErrDamaged)
			return
		}
		again, err := decodeCursors(read.encode())
		require.NoError(t, err)
		require.Equal(t, read, again)
	})
}

// FuzzPageToken: a token of a history page is one for a run and a place in it, or the client's mistake.
func FuzzPageToken(f *testing.F) {
	f.Add([]byte("{}"), "")
	f.Add(pageToken{RunID: "r", Next: 12}.encode(), "r")
	f.Fuzz(func(t *testing.T, data []byte, runID string) {
		token, err := decodePageToken(data, runID)
		if err != nil {
			var invalid *serviceerror.InvalidArgument
			require.ErrorAs(t, err, &invalid)
			return
		}
		require.Positive(t, token.Next)
		again, err := decodePageToken(token.encode(), runID)
		require.NoError(t, err)
		require.Equal(t, token, again)
	})
}
