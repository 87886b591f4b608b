package outage

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"perdure/server"
	"perdure/visibility/attr"
	"perdure/visibility/elastic"
	"perdure/visibility/query"
)

// TestElasticsearchFails harms Elasticsearch in one way after the other, under load. Each time orders must go on and be found in
// PostgreSQL meanwhile, and Elasticsearch must have everything a while after it is well again.
func TestElasticsearchFails(t *testing.T) {
	r := startRig(t)
	o := startOrders(r)
	end, short := o.phase("all is well"), min(r.outage, otherHarmMax)
	o.flow(short)
	r.caughtUp()
	end()
	for _, harm := range []struct {
		name  string
		lasts time.Duration
		begin func(*rig)
		seen  func(server.SearchStatus) bool
		end   func(*rig)
	}{
		{"killed", r.outage, func(r *rig) { r.elastic.Crash() }, isBlocked, func(r *rig) { r.elastic.Restart() }},
		{"its disk is full", short, (*rig).fillDisk, isBlocked, (*rig).freeDisk},
		{"its index is wiped", short, (*rig).wipe, isBlocked, (*rig).rebuild},
		{"a field has a wrong type", short, (*rig).mistype, hasDeadLetters, (*rig).retype},
	} {
		end := o.phase(harm.name)
		harm.begin(r)
		r.eventually(harm.name, harm.seen)
		o.flow(harm.lasts)
		require.True(t, harm.seen(r.status(elasticStore)))
		require.Zero(t, r.status(sqlStore).BehindShards, "nor is the other store held up")
		end()
		end = o.phase("mended: " + harm.name)
		harm.end(r)
		r.caughtUp()
		end()
		r.audit()
	}
}

// object is JSON.
type object = map[string]any

func isBlocked(s server.SearchStatus) bool { return s.Blocked }

func hasDeadLetters(s server.SearchStatus) bool { return s.DeadLetters > 0 }

// fillDisk makes Elasticsearch take its disk for full. It looks each 10 seconds; without the time for that, the block which it then sets is
// set here.
func (r *rig) fillDisk() {
	if r.long() {
		r.watermarks("900tb") // beyond any disk
	} else {
		r.send(http.MethodPut, r.index()+"/_settings", `{"index.blocks.read_only_allow_delete": true}`)
	}
	r.eventuallyFull(true)
}

// freeDisk makes room, whereupon Elasticsearch itself lifts the block.
func (r *rig) freeDisk() {
	if r.long() {
		r.watermarks("1b")
	} else {
		r.send(http.MethodPut, r.index()+"/_settings", `{"index.blocks.read_only_allow_delete": null}`)
	}
	r.eventuallyFull(false)
}

// watermarks say how much must be free.
func (r *rig) watermarks(free string) {
	settings := object{"cluster.info.update.interval": "10s", "cluster.routing.allocation.disk.threshold_enabled": true}
	for _, mark := range []string{"low", "high", "flood_stage"} {
		settings["cluster.routing.allocation.disk.watermark."+mark] = free
	}
	body, err := json.Marshal(object{"persistent": settings})
	require.NoError(r, err)
	r.send(http.MethodPut, "_cluster/settings", string(body))
}

func (r *rig) eventuallyFull(full bool) {
	r.Helper()
	require.True(r, poll(func() bool {
		return strings.Contains(r.send(http.MethodGet, r.index()+"/_settings", ""), `"read_only_allow_delete":"true"`) == full
	}), "full: %t", full)
}

func (r *rig) wipe() { r.send(http.MethodDelete, r.index(), "") }

func (r *rig) rebuild() { r.Log(r.visibility("rebuild")) }

// mistype puts an index in the place of the right one in which no text can be.
func (r *rig) mistype() {
	var indices map[string]struct {
		Mappings object `json:"mappings"`
	}
	require.NoError(r, json.Unmarshal([]byte(r.send(http.MethodGet, r.index()+"/_mapping", "")), &indices))
	mapping := indices[r.index()].Mappings
	mapping["properties"].(object)["words"] = object{"type": "long"}
	body, err := json.Marshal(object{
		"mappings": mapping, "aliases": object{r.prefix + "-write": object{"is_write_index": true}, r.prefix + "-read": object{}},
	})
	require.NoError(r, err)
	r.wipe()
	r.send(http.MethodPut, r.index(), string(body))
}

// retype brings the right index back and what it could not take to it.
func (r *rig) retype() {
	require.Positive(r, r.degraded(), "runs are listed, without their attributes")
	r.wipe()
	r.rebuild()
	r.Log(r.visibility("dlq", "retry"))
	require.Zero(r, r.degraded())
	require.Zero(r, r.status(elasticStore).DeadLetters)
}

// degraded counts the runs in Elasticsearch that tell of attributes which it did not take.
func (r *rig) degraded() int64 {
	r.Helper()
	s, err := elastic.Open(r.Context(), elastic.Options{URLs: []string{r.elastic.URL()}, Prefix: r.prefix})
	require.NoError(r, err)
	defer s.Close()
	require.NoError(r, s.Refresh(r.Context()))
	namespaces, err := s.Namespaces(r.Context())
	require.NoError(r, err)
	require.Len(r, namespaces, 1)
	q, err := query.Parse("TemporalReportedProblems = 'category=SearchAttributesRefused'")
	require.NoError(r, err)
	require.NoError(r, query.Check(q, attr.Predefined()))
	found, err := s.Count(r.Context(), namespaces[0], q)
	require.NoError(r, err)
	return found.Total
}
