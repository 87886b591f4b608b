// Package outage does harm to Elasticsearch while workflows of real clients run on a server that keeps its search records
// there and in PostgreSQL: no workflow may notice, and nothing may be lost.
//
// PERDURE_OUTAGE=10m lets it be away for that long, and other harm last a minute; the log tells how long workflows took meanwhile.
package outage

import (
	"context"
	"encoding/json"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"perdure/internal/estest"
	"perdure/internal/pgtest"
	"perdure/internal/serverprocess"
	"perdure/server"
	"perdure/server/config"
	"perdure/server/metrics"
	"perdure/server/telemetry"
)

const (
	// environmentOutage is how long Elasticsearch is away.
	environmentOutage = "PERDURE_OUTAGE"
	outageDefault     = 3 * time.Second
	// otherHarmMax is how long it is harmed in other ways at most.
	otherHarmMax = time.Minute
	// patience bounds each wait for something that must happen.
	patience = 5 * time.Minute
	lookEach = 20 * time.Millisecond
	// stopTimeout bounds the end of the server.
	stopTimeout = 15 * time.Second

	sqlStore, elasticStore = "sql", "es"
	// customer and note are search attributes of the workflows.
	customer, note = "Customer", "Note"
)

func TestMain(m *testing.M) { os.Exit(pgtest.Run(m)) }

// rig is a server with two stores of search records, of which PostgreSQL answers searches.
type rig struct {
	*testing.T
	outage  time.Duration
	binary  string
	ready   server.Ready
	elastic *estest.Server
	prefix  string // of names of indices
}

func startRig(t *testing.T) *rig {
	t.Helper()
	r := &rig{T: t, outage: outageDefault, elastic: estest.Start(t), prefix: estest.Prefix()}
	var err error
	if given := os.Getenv(environmentOutage); given != "" {
		r.outage, err = time.ParseDuration(given)
		require.NoError(t, err)
	}
	r.binary, err = serverprocess.Build()
	require.NoError(t, err)
	r.serve(r.settings(pgtest.Database(t)))
	return r
}

func (r *rig) settings(database string) config.Config {
	c := config.Default()
	c.Store, c.Shards, c.Namespaces = database, 4, []string{"default"}
	c.Listen.GRPCPort, c.Listen.HTTPPort, c.Listen.MetricsPort = 0, 0, 0
	c.SearchAttributes = map[string]string{customer: "Keyword", note: "Text"}
	c.Search = config.Search{
		Stores: map[string]string{sqlStore: database, elasticStore: "elasticsearch+" + r.elastic.URL() + "/" + r.prefix},
		Reads:  sqlStore,
	}
	if !r.long() {
		c.Limits.VisibilityQueueMax = 4 * ordersPerSecond // so that what comes meanwhile has no room
	}
	require.NoError(r, c.Validate())
	return c
}

// long tells that there is time to see what takes long.
func (r *rig) long() bool { return r.outage >= time.Minute }

// serve runs a server in this process until the test ends.
func (r *rig) serve(c config.Config) {
	r.Helper()
	log, err := os.CreateTemp(r.TempDir(), "server-*.log")
	require.NoError(r, err)
	reg := metrics.NewRegistry()
	logger, err := telemetry.NewLogger(log, "text", "warn", reg)
	require.NoError(r, err)
	ctx, cancel := context.WithCancel(context.Background())
	done, ready := make(chan error, 1), make(chan server.Ready, 1)
	go func() {
		done <- server.Run(ctx, c, server.Options{
			Version: "test", PagePort: -1, Logger: logger, Metrics: reg, Ready: func(at server.Ready) { ready <- at },
		})
	}()
	r.Cleanup(func() {
		cancel()
		select {
		case err := <-done:
			require.NoError(r, err)
		case <-time.After(stopTimeout):
			r.Error("the server did not stop in time")
		}
		if r.Failed() {
			text, _ := os.ReadFile(log.Name()) // only to explain
			r.Logf("the server's log, its end:\n%s", text[max(0, len(text)-8000):])
		}
		_ = log.Close()
	})
	select {
	case r.ready = <-ready:
	case err := <-done:
		done <- err
		require.NoError(r, err)
	}
}

// visibility runs a command of `perdure visibility` and returns what it says.
func (r *rig) visibility(command ...string) string {
	r.Helper()
	ctx, cancel := context.WithTimeout(r.Context(), patience)
	defer cancel()
	arguments := append(append([]string{"visibility"}, command...), "--address", r.ready.Metrics, "--store", elasticStore)
	output, err := exec.CommandContext(ctx, r.binary, arguments...).CombinedOutput()
	require.NoError(r, err, "perdure %s: %s", strings.Join(arguments, " "), output)
	return strings.TrimSpace(string(output))
}

// audit demands that Elasticsearch has what the executions have. Load may go on.
func (r *rig) audit() {
	r.Helper()
	said := r.visibility("audit")
	require.Contains(r, said, ": 0 missing, 0 stale, 0 orphans")
	r.Log(said)
}

// status is how a store of search records does.
func (r *rig) status(name string) server.SearchStatus {
	r.Helper()
	answer, err := http.Get("http://" + r.ready.Metrics + "/admin/visibility/stores")
	require.NoError(r, err)
	defer answer.Body.Close()
	var list []server.SearchStatus
	require.NoError(r, json.NewDecoder(answer.Body).Decode(&list))
	for _, status := range list {
		if status.Name == name {
			return status
		}
	}
	require.Fail(r, "no such store", name)
	return server.SearchStatus{}
}

// eventually waits until Elasticsearch is seen to do as is told.
func (r *rig) eventually(what string, is func(server.SearchStatus) bool) {
	r.Helper()
	var last server.SearchStatus
	ok := poll(func() bool {
		last = r.status(elasticStore)
		return is(last)
	})
	require.True(r, ok, "%s; it is %+v", what, last)
}

// poll looks until it sees what it looks for, or loses patience.
func poll(seen func() bool) bool {
	for deadline := time.Now().Add(patience); !seen(); {
		if time.Now().After(deadline) {
			return false
		}
		<-time.After(lookEach)
	}
	return true
}

func (r *rig) caughtUp() {
	r.Helper()
	r.eventually("it has caught up", func(s server.SearchStatus) bool {
		return !s.Blocked && s.BehindShards == 0 && s.LostShards == 0 && s.Oldest < time.Second && s.Rebuild.Phase != "scanning"
	})
}

// send calls Elasticsearch.
func (r *rig) send(method, path, body string) string {
	r.Helper()
	return estest.Send(r, method, r.elastic.URL()+"/"+path, body)
}

// index is the name of the index that is written.
func (r *rig) index() string { return r.prefix + "-s1-0001" }
