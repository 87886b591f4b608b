package execution

import (
	"testing"

	"github.com/stretchr/testify/require"
	commonpb "go.temporal.io/api/common/v1"

	"perdure/server/spans"
)

// TestRunsRememberWhenceTheyCome: only when a caller keeps a trace that history does not tell of, and in few bytes.
func TestRunsRememberWhenceTheyCome(t *testing.T) {
	size := func(start Start) (*rig, int) {
		r := newRig(t)
		r.begin(start)
		return r, len(r.durable)
	}
	_, none := size(startOf(args{}))
	r, some := size(startOf(args{"origin": ""}))
	require.Equal(t, 25+len("vendor=1")+3, some-none)
	require.Equal(t, traceparent, restore(t, r.durable, r.history).ComesFrom().Traceparent())

	unsampled := startOf(args{"origin": ""})
	unsampled.Origin.Flags = 0
	_, bytes := size(unsampled)
	require.Equal(t, none, bytes, "nothing is stored of who keeps no trace")

	told := startOf(args{"origin": ""})
	told.Request.Header = &commonpb.Header{Fields: map[string]*commonpb.Payload{
		"_tracer-data": {Metadata: map[string][]byte{"encoding": []byte("json/plain")}, Data: []byte(`{"traceparent":"00-1af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"}`)},
	}}
	r, bytes = size(told)
	require.Equal(t, none, bytes, "nothing is stored that the first event tells")
	require.Equal(t, byte(0x1a), r.s.ComesFrom().Trace[0])
}

func TestWhatFollowsRemembersTheChainsTrace(t *testing.T) {
	r := newRig(t)
	r.begin(startOf(args{"origin": ""}))
	_, err := r.startTask()
	require.NoError(t, err)
	_, err = r.complete(completion(args{}, "continue"))
	require.NoError(t, err)
	first := r.s.ComesFrom()
	next := r.following()
	require.Equal(t, spans.Origin{Context: first.Of("run-1"), Follows: true}, next.s.Origin)
	require.False(t, next.s.ComesFrom().Joined(), "a chain may have no end: each further run has a trace of its own")

	next.now = next.now.Add(next.limits.ChainedStartInterval)
	_, err = next.do(Tick{})
	require.NoError(t, err)
	_, err = next.startTask()
	require.NoError(t, err)
	_, err = next.complete(completion(args{}, "continue"))
	require.NoError(t, err)
	require.Zero(t, next.following().s.Origin, "of the third run history tells")
}
