package main

import (
	"context"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"google.golang.org/protobuf/types/known/durationpb"
)

// lit are panels that a single healthy server leaves dark and this stack, or its harsh settings, light.
var lit = map[string]bool{
	"perdure-telemetry: Spans by outcome":              true,
	"perdure-visibility: From commit to found":         true,
	"perdure-visibility: Compared with a second store": true,
	"perdure-workers: Heartbeats missed":               true,
	"perdure-history: Evictions":                       true,
	"perdure-overview: Refused calls":                  true,
	"perdure-frontend: Refused by cause":               true,
	"perdure-usage: Part of refused calls":             true,
}

// litByTrouble are panels that only a fault lights: those of trouble.
var litByTrouble = map[string]bool{
	"perdure-usage: Runs removed":              true,
	"perdure-chores: Runs removed":             true,
	"perdure-timers: Failed checkpoints":       true,
	"perdure-history: Given up by reason":      true,
	"perdure-visibility: Rebuilds":             true,
	"perdure-visibility: Trouble with records": true,
	"perdure-visibility: Records not taken":    true,
}

// trouble rebuilds a search store, has runs removed, and then breaks things again and again until calm is called: it
// ends the server's connections to PostgreSQL, takes a shard away as another server would, and makes Elasticsearch refuse.
func (s *stackUnderTest) trouble(t *testing.T) (calm func()) {
	t.Helper()
	s.rebuild(t)
	admin, err := pgx.Connect(t.Context(), s.addresses["postgres"])
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	calm = sync.OnceFunc(func() {
		cancel()
		running.Wait()
		_ = admin.Close(context.Background())
		s.blockIndex(false)
	})
	t.Cleanup(calm)
	loop := func(every time.Duration, do func(round int)) {
		running.Go(func() {
			ticker := time.NewTicker(every)
			defer ticker.Stop()
			for round := 0; ctx.Err() == nil; round++ {
				do(round)
				select {
				case <-ticker.C:
				case <-ctx.Done():
				}
			}
		})
	}
	s.registerBrief(t)
	loop(time.Second, func(int) { s.shortLived(ctx) })
	loop(200*time.Millisecond, func(round int) {
		statement := "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
		if round%50 == 49 {
			statement = "UPDATE shard SET epoch = epoch + 1, owner = 'thief' WHERE shard_id = (SELECT min(shard_id) FROM shard)"
		}
		_, _ = admin.Exec(ctx, statement)
	})
	loop(3*time.Second, func(round int) { s.blockIndex(round%2 == 0) })
	return calm
}

// rebuild has the server rebuild the store of Elasticsearch, as an operator would.
func (s *stackUnderTest) rebuild(t *testing.T) {
	t.Helper()
	binary := os.Getenv("PERDURE_BINARY")
	if binary == "" {
		binary = "../../bin/perdure"
	}
	address := strings.TrimPrefix(s.addresses["perdure-metrics"], "http://")
	output, err := exec.Command(binary, "visibility", "rebuild", "--store", "elastic", "--address", address).CombinedOutput()
	require.NoError(t, err, string(output))
}

const briefNamespace = "brief"

// registerBrief makes a namespace whose closed runs go after a second.
func (s *stackUnderTest) registerBrief(t *testing.T) {
	t.Helper()
	_, err := s.client.WorkflowService().RegisterNamespace(t.Context(), &workflowservice.RegisterNamespaceRequest{
		Namespace: briefNamespace, WorkflowExecutionRetentionPeriod: durationpb.New(time.Second),
	})
	require.NoError(t, err)
}

// shortLived is a run that ends at once. While the server is in trouble it may fail.
func (s *stackUnderTest) shortLived(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	c, err := client.NewClientFromExisting(s.client, client.Options{Namespace: briefNamespace})
	if err != nil {
		return
	}
	defer c.Close()
	id := uuid.NewString()
	if _, err := c.ExecuteWorkflow(ctx, client.StartWorkflowOptions{ID: id, TaskQueue: "nobody"}, "Brief"); err == nil {
		_ = c.TerminateWorkflow(ctx, id, "", "enough")
	}
}

// blockIndex makes Elasticsearch refuse writes, as it does by itself on a full disk, or take them again.
func (s *stackUnderTest) blockIndex(blocked bool) {
	setting := `{"index.blocks.write": null}`
	if blocked {
		setting = `{"index.blocks.write": true}`
	}
	request, err := http.NewRequest(http.MethodPut, s.addresses["elasticsearch"]+"/"+indexPrefix+"-write/_settings", strings.NewReader(setting))
	if err != nil {
		return
	}
	request.Header.Set("Content-Type", "application/json")
	if answer, err := http.DefaultClient.Do(request); err == nil {
		_ = answer.Body.Close()
	}
}
