package execution

import (
	"fmt"
	"maps"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	enumspb "go.temporal.io/api/enums/v1"
	"google.golang.org/protobuf/encoding/protowire"
	"pgregory.net/rapid"
)

// A table of requests is a map whose copies do not see one another.
func TestRequestTableIsAMap(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		type version struct {
			table requestTable
			model map[string]Request
		}
		versions := []version{{model: map[string]Request{}}}
		event := int64(0)
		for range rapid.IntRange(1, 400).Draw(t, "steps") {
			v := versions[rapid.IntRange(0, len(versions)-1).Draw(t, "version")]
			next := version{v.table.fork(), maps.Clone(v.model)}
			for range rapid.IntRange(1, 8).Draw(t, "puts") {
				event++
				id := fmt.Sprint("r", rapid.IntRange(0, 500).Draw(t, "id"))
				r := Request{EventType: enumspb.EVENT_TYPE_WORKFLOW_EXECUTION_SIGNALED, EventID: event}
				next.table.put(id, r)
				next.model[id] = r
			}
			if versions = append(versions, next); len(versions) > 5 {
				versions = versions[1:]
			}
		}
		for _, v := range versions {
			require.Equal(t, slices.Sorted(maps.Keys(v.model)), slices.Sorted(slices.Values(v.table.keys())))
			for id, want := range v.model {
				require.Equal(t, want, *v.table.get(id))
			}
			require.Nil(t, v.table.get("none"))
		}
	})
}

func TestEventRanges(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var set eventRanges
		var want []int64
		id := int64(0)
		for range rapid.IntRange(0, 50).Draw(t, "ids") {
			id += int64(rapid.IntRange(1, 3).Draw(t, "gap"))
			want = append(want, id)
			set.add(id)
			set.add(int64(rapid.IntRange(1, int(id)).Draw(t, "old"))) // in the set, or below it: nothing
		}
		require.Equal(t, want, set.ids())
		e := &encoder{}
		set.encode(e)
		var read eventRanges
		require.NoError(t, decodeFields(e.b, func(field protowire.Number, v value) { read.decode(field, v) }))
		require.Equal(t, want, read.ids())
		require.True(t, read.within(id+1))
		require.True(t, id == 0 || !read.within(id))
	})
}

// Ten thousand signals in a row leave a short row behind, and all are known again.
func TestManyRequestsAreStoredShort(t *testing.T) {
	r := newRig(t)
	r.unchecked = true
	r.begin(startOf(args{}))
	for n := range 5000 {
		_, err := r.do(Signal{Name: "s", RequestID: fmt.Sprint("request", n)})
		require.NoError(t, err)
	}
	encoded, err := r.s.Encode()
	require.NoError(t, err)
	require.Less(t, len(encoded), 1000)
	s := restore(t, encoded, r.history)
	require.Len(t, s.SignalRequests.keys(), 5000)
	require.EqualValues(t, 5002, s.SignalRequests.get("request4999").EventID)
	again, err := s.Encode()
	require.NoError(t, err)
	require.Equal(t, encoded, again)
}

func BenchmarkSignals(b *testing.B) {
	r := newRig(b)
	r.unchecked = true
	r.limits.Signals, r.limits.HistoryEvents = 1<<40, 1<<40
	r.begin(startOf(args{}))
	b.ReportAllocs()
	for n := 0; b.Loop(); n++ {
		_, err := r.do(Signal{Name: "s", RequestID: fmt.Sprint("request", n)})
		require.NoError(b, err)
		if n%10_000 == 9_999 {
			r = newRig(b)
			r.unchecked = true
			r.begin(startOf(args{}))
		}
	}
}
