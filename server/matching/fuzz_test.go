package matching

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"perdure/server/cluster"
	"perdure/server/match"
	"perdure/server/store"
)

// FuzzDecodeTask: bytes that are no backlog row are refused; others are read once and for all.
func FuzzDecodeTask(f *testing.F) {
	f.Add("q", int16(1), encodeTask(&cluster.Task{}, 0))
	f.Add("1:q:deployment:build", int16(2)|versionedType, encodeTask(&cluster.Task{
		Execution: cluster.ExecutionRef{NamespaceID: "n", WorkflowID: "w", RunID: "r", Slot: 7, Exec: 8}, ScheduledEventID: 2, Stamp: 9,
		ScheduledTime: time.Unix(1_800_000_000, 1), ExpiresAt: time.Unix(1_900_000_000, 0), Priority: 3, FairnessKey: "f", FairnessWeight: 1.5,
		Direct: match.Directive{Pinned: match.Version{Deployment: "d", BuildID: "b"}, Key: "k", IfMember: true, Ramping: true, BuildID: "1.0", Unassigned: true},
	}, 77))
	f.Fuzz(func(t *testing.T, name string, kind int16, data []byte) {
		queue := store.QueueKey{NamespaceID: "n", Name: name, Type: kind}
		task, created, err := decodeTask(store.QueueTask{Queue: queue, Data: data})
		if err != nil {
			require.ErrorIs(t, err, store.ErrDamaged)
			return
		}
		encoded := encodeTask(task, created)
		again, createdAgain, err := decodeTask(store.QueueTask{Queue: queue, Data: encoded})
		require.NoError(t, err)
		require.Equal(t, encoded, encodeTask(again, createdAgain))
	})
}
