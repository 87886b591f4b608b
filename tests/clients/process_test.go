package clients

import (
	"context"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
	taskqueuepb "go.temporal.io/api/taskqueue/v1"
	"go.temporal.io/api/workflowservice/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"perdure/internal/serverprocess"
)

const (
	// serveWithin is the promise: a server answers this long after its start.
	serveWithin = time.Second
	// serveAttempts is how often the start is tried; the best counts, since other tests share the machine.
	serveAttempts = 3
	// restingBytes is the promise for resident memory with nothing to do.
	restingBytes = 100 << 20
	// idleStatementsPerMinute is the promise for an idle server's statements to its database.
	idleStatementsPerMinute = 60
	// idleWindow is how long the idle server is watched.
	idleWindow = 20 * time.Second
)

// TestServesSoon starts a server on a fresh store and on one that it knows.
func TestServesSoon(t *testing.T) {
	for _, store := range stores {
		t.Run(store.name, func(t *testing.T) {
			process := startServer(t, store.options(t))
			fresh, best := process.StartDuration, process.StartDuration
			for range serveAttempts - 1 {
				stopServer(t, process)
				require.NoError(t, process.Restart(t.Context()))
				best = min(best, process.StartDuration)
			}
			stopServer(t, process)
			t.Logf("serves after %s on a fresh store, %s at best", fresh, best)
			require.Less(t, best, serveWithin)
		})
	}
}

// TestRests watches a server with nothing to do: its memory, and on PostgreSQL the statements it sends.
func TestRests(t *testing.T) {
	for _, store := range stores {
		t.Run(store.name, func(t *testing.T) {
			t.Parallel()
			options := store.options(t)
			process := startServer(t, options)
			before := statements(t, options)
			select {
			case <-time.After(idleWindow): // the observation itself
			case <-t.Context().Done():
			}
			perMinute := float64(statements(t, options)-before) * float64(time.Minute) / float64(idleWindow)
			resident := residentBytes(t, process)
			t.Logf("%.0f statements a minute, %.1f MB resident", perMinute, float64(resident)/(1<<20))
			require.Less(t, perMinute, float64(idleStatementsPerMinute))
			require.Less(t, resident, restingBytes)
			stopServer(t, process)
		})
	}
}

// TestDrains sends SIGTERM while a worker polls: the poll is answered empty and the process ends with status 0.
func TestDrains(t *testing.T) {
	for _, store := range stores {
		t.Run(store.name, func(t *testing.T) {
			process := startServer(t, store.options(t))
			connection, err := grpc.NewClient(process.Address, grpc.WithTransportCredentials(insecure.NewCredentials()))
			require.NoError(t, err)
			defer connection.Close()
			service := workflowservice.NewWorkflowServiceClient(connection)
			queue := &taskqueuepb.TaskQueue{Name: "drain-" + uuid.NewString()}
			type polled struct {
				answer *workflowservice.PollWorkflowTaskQueueResponse
				err    error
			}
			answers := make(chan polled, 1)
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute) // longer than a server holds a poll
			defer cancel()
			go func() {
				answer, err := service.PollWorkflowTaskQueue(ctx, &workflowservice.PollWorkflowTaskQueueRequest{
					Namespace: "default", TaskQueue: queue, Identity: "drain",
				})
				answers <- polled{answer, err}
			}()
			eventually(t, "the poll is under way", func() bool {
				description, err := service.DescribeTaskQueue(t.Context(), &workflowservice.DescribeTaskQueueRequest{
					Namespace: "default", TaskQueue: queue, TaskQueueType: 1,
				})
				return err == nil && len(description.Pollers) == 1
			})
			stopServer(t, process)
			got := <-answers
			require.NoError(t, got.err)
			require.Empty(t, got.answer.TaskToken)
		})
	}
}

// residentBytes is what the process holds in memory.
func residentBytes(t *testing.T, process *serverprocess.Process) int {
	t.Helper()
	content, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", process.PID()))
	require.NoError(t, err)
	_, after, found := strings.Cut(string(content), "VmRSS:")
	require.True(t, found)
	var kilobytes int
	_, err = fmt.Sscan(after, &kilobytes)
	require.NoError(t, err)
	return kilobytes << 10
}

// statements is how many statements the server's database was ever sent; 0 for SQLite, which has no server to ask.
func statements(t *testing.T, options serverprocess.Options) int64 {
	t.Helper()
	if options.Store == "" {
		return 0
	}
	config, err := pgx.ParseConfig(options.Store)
	require.NoError(t, err)
	database := config.Database
	config.Database = "postgres" // so that this question is not counted
	connection, err := pgx.ConnectConfig(t.Context(), config)
	require.NoError(t, err)
	defer connection.Close(context.WithoutCancel(t.Context()))
	_, err = connection.Exec(t.Context(), "CREATE EXTENSION IF NOT EXISTS pg_stat_statements")
	require.NoError(t, err)
	var calls int64
	err = connection.QueryRow(t.Context(),
		`SELECT coalesce(sum(calls), 0)::bigint FROM pg_stat_statements s JOIN pg_database d ON d.oid = s.dbid WHERE d.datname = $1`,
		database).Scan(&calls)
	require.NoError(t, err)
	return calls
}
