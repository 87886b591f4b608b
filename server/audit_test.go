package server

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"perdure/visibility"
)

// A store of search records that lost what it had is compared in the background, at the interval, and brought in line.
func TestSearchIsAuditedInTheBackground(t *testing.T) {
	for _, repair := range []string{"true", "false"} {
		synctest.Test(t, func(t *testing.T) {
			s := newTrial(t, map[string]string{"visibility_audit_interval": "10m", "search.repair": repair})
			defer s.stop()
			for _, id := range []string{"a", "b", "c"} {
				require.NoError(t, s.start(id))
			}
			rest(seconds(60)) // also what follows a while after a change is in
			require.EqualValues(t, 3, s.found(""))
			store := s.services.searchStores[0].store
			store.(interface{ Wipe() }).Wipe()
			orphan := &visibility.Record{NamespaceID: "nowhere", WorkflowID: "w", RunID: "orphan", Version: 4}
			require.NoError(t, store.Write(t.Context(), []*visibility.Record{orphan}))
			rest(int64(8 * time.Minute))
			require.Zero(t, s.found(""))
			rest(int64(5 * time.Minute))
			require.Equal(t, 3.0, s.metrics.Value("perdure_visibility_audit_differences_total", "missing", store.Name()))
			require.Equal(t, 1.0, s.metrics.Value("perdure_visibility_audit_differences_total", "orphan", store.Name()))
			require.Equal(t, 3.0, s.metrics.Value("perdure_visibility_audited_total", store.Name()))
			require.Equal(t, 4, strings.Count(s.log.String(), "search differs from a run"))
			names, err := store.(visibility.Inventory).Namespaces(t.Context())
			require.NoError(t, err)
			if repair == "false" {
				require.Zero(t, s.found(""))
				require.Equal(t, []string{"nowhere"}, names)
				return
			}
			require.EqualValues(t, 3, s.found(""))
			require.NotContains(t, names, "nowhere")
		})
	}
}
