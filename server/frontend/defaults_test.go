package frontend_test

import (
	"context"
	"encoding/json"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/encoding/protojson"
)

// frontendDefaults are the recorded answers that the frontend makes alone.
var frontendDefaults = []string{
	"namespace-minimal", "namespace-update-retention", "cluster-info", "system-info", "search-attributes-list", "count-none",
}

// ownKeys are left out of the comparison: ids, what the server runs on, and
// the capabilities, of which only those are claimed that are there.
var ownKeys = []string{
	"id", "capabilities", "supportsSchedules", "serverVersion", "clusterId", "historyShardCount", "persistenceStore", "visibilityStore",
}

func TestRecordedDefaults(t *testing.T) {
	t.Parallel()
	b := setup(t)
	played := 0
	for _, r := range readRows(t, "ok_defaults.jsonl") {
		if !slices.Contains(frontendDefaults, r.ID) {
			continue
		}
		played++
		t.Run(r.ID, func(t *testing.T) {
			e := &expander{t: t, vars: map[string]any{"u": "u" + uuid.NewString()[:8], "ns": "default"}}
			b.prepare(t, e, r.Setup)
			require.Equal(t, withoutOwn(r.Response), withoutOwn(b.response(t, e, r)))
		})
	}
	require.Equal(t, len(frontendDefaults), played)
}

// response makes the call of a row and shows the answer as the rows do.
func (b *bundle) response(t *testing.T, e *expander, r row) map[string]any {
	t.Helper()
	method, in, out := methodOf(t, r.RPC)
	data, err := json.Marshal(e.expand(r.Request))
	require.NoError(t, err)
	require.NoError(t, protojson.Unmarshal(data, in))
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	require.NoError(t, b.conn.Invoke(ctx, method, in, out))
	data, err = protojson.Marshal(out)
	require.NoError(t, err)
	var shown map[string]any
	require.NoError(t, json.Unmarshal([]byte(normal(e, string(data))), &shown))
	return shown
}

func withoutOwn(v any) any {
	m, ok := v.(map[string]any)
	if !ok {
		return v
	}
	kept := map[string]any{}
	for key, x := range m {
		if !slices.Contains(ownKeys, key) {
			kept[key] = withoutOwn(x)
		}
	}
	return kept
}
