package execution

import (
	"testing"

	"github.com/stretchr/testify/require"
	commonpb "go.temporal.io/api/common/v1"
	"google.golang.org/protobuf/proto"
)

func TestPriorityOf(t *testing.T) {
	run := &commonpb.Priority{PriorityKey: 1, FairnessKey: "run", FairnessWeight: 2}
	for _, row := range []struct{ own, run, want *commonpb.Priority }{
		{nil, nil, nil},
		{nil, run, run},
		{run, nil, run},
		{&commonpb.Priority{}, run, run},
		{&commonpb.Priority{PriorityKey: 5}, run, &commonpb.Priority{PriorityKey: 5, FairnessKey: "run", FairnessWeight: 2}},
		{&commonpb.Priority{FairnessKey: "own"}, run, &commonpb.Priority{PriorityKey: 1, FairnessKey: "own", FairnessWeight: 2}},
		{&commonpb.Priority{FairnessWeight: 7}, run, &commonpb.Priority{PriorityKey: 1, FairnessKey: "run", FairnessWeight: 7}},
	} {
		s := &State{Priority: row.run}
		require.True(t, proto.Equal(row.want, s.PriorityOf(row.own)), "own %v", row.own)
	}
}
