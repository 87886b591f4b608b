// Package search asks whole servers for runs, with each store of search records behind them: memory, SQLite, PostgreSQL and
// Elasticsearch, all real.
package search

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	commonpb "go.temporal.io/api/common/v1"
	"go.temporal.io/api/operatorservice/v1"
	taskqueuepb "go.temporal.io/api/taskqueue/v1"
	"go.temporal.io/api/workflowservice/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/types/known/durationpb"

	"perdure/internal/estest"
	"perdure/internal/pgtest"
	"perdure/server"
	"perdure/server/config"
	"perdure/server/metrics"
	"perdure/server/telemetry"
	"perdure/visibility/attr"
)

func TestMain(m *testing.M) { os.Exit(estest.Run(withPostgres{m})) }

// withPostgres also stops the test binary's PostgreSQL.
type withPostgres struct{ m *testing.M }

func (w withPostgres) Run() int { return pgtest.Run(w.m) }

// within bounds each wait for something that must come.
const within = time.Minute

// storeNames are the stores of search records, as they are named in a configuration.
var storeNames = []string{"elastic", "memory", "postgres", "sqlite"}

// storeURL is the URL of a new and empty store of search records.
func storeURL(t testing.TB, name string) string {
	t.Helper()
	switch name {
	case "sqlite":
		return "sqlite://" + filepath.Join(t.TempDir(), "search.db")
	case "postgres":
		return pgtest.Database(t)
	case "elastic":
		address, err := url.Parse(estest.URL(t))
		require.NoError(t, err)
		return fmt.Sprintf("elasticsearch+http://%s/%s?refresh=100ms", address.Host, estest.Prefix())
	}
	return "memory:"
}

// site is a server in this process and its clients.
type site struct {
	workflowservice.WorkflowServiceClient
	operator operatorservice.OperatorServiceClient
	conn     *grpc.ClientConn
	t        testing.TB
	ready    server.Ready
	metrics  *metrics.Registry
	cancel   context.CancelFunc
	done     chan error
}

// settings are those of a server with these stores of search records, of which the first that is named answers.
func settings(stores map[string]string, reads string) config.Config {
	c := config.Default()
	c.Store = "memory:"
	c.Listen.GRPCPort, c.Listen.HTTPPort, c.Listen.MetricsPort = 0, 0, 0
	c.Namespaces = []string{"default"}
	c.Search = config.Search{Stores: stores, Reads: reads}
	c.Limits.VisibilityPerSec = 1_000_000
	return c
}

// open starts a server. It ends with the test, or with stop.
func open(t testing.TB, c config.Config) *site {
	t.Helper()
	reg := metrics.NewRegistry()
	logger, err := telemetry.NewLogger(t.Output(), "text", "warn", reg)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	s := &site{t: t, metrics: reg, cancel: cancel, done: make(chan error, 1)}
	ready := make(chan server.Ready, 1)
	go func() {
		s.done <- server.Run(ctx, c, server.Options{Version: "test", PagePort: -1, Logger: logger, Metrics: reg, Ready: func(r server.Ready) { ready <- r }})
	}()
	select {
	case s.ready = <-ready:
	case err := <-s.done:
		require.NoError(t, err)
	}
	t.Cleanup(s.stop)
	s.conn, err = grpc.NewClient(s.ready.GRPC, grpc.WithTransportCredentials(insecure.NewCredentials()))
	require.NoError(t, err)
	s.WorkflowServiceClient = workflowservice.NewWorkflowServiceClient(s.conn)
	s.operator = operatorservice.NewOperatorServiceClient(s.conn)
	return s
}

func (s *site) stop() {
	if s.cancel == nil {
		return
	}
	s.cancel()
	s.cancel = nil
	_ = s.conn.Close()
	require.NoError(s.t, <-s.done)
}

// fresh makes a list or count see all that its caller was told of.
func fresh(ctx context.Context) context.Context {
	return metadata.AppendToOutgoingContext(ctx, "perdure-visibility-fresh", "1")
}

func (s *site) register(namespace string) {
	s.t.Helper()
	_, err := s.RegisterNamespace(context.Background(), &workflowservice.RegisterNamespaceRequest{
		Namespace: namespace, WorkflowExecutionRetentionPeriod: durationpb.New(24 * time.Hour),
	})
	require.NoError(s.t, err)
}

// define gives a namespace search attributes.
func (s *site) define(namespace string, types attr.Types) {
	s.t.Helper()
	_, err := s.operator.AddSearchAttributes(context.Background(), &operatorservice.AddSearchAttributesRequest{Namespace: namespace, SearchAttributes: types})
	require.NoError(s.t, err)
}

// startOf asks for a run that nobody works on.
func startOf(namespace, id string) *workflowservice.StartWorkflowExecutionRequest {
	return &workflowservice.StartWorkflowExecutionRequest{
		Namespace: namespace, WorkflowId: id, RequestId: id,
		WorkflowType: &commonpb.WorkflowType{Name: "W"}, TaskQueue: &taskqueuepb.TaskQueue{Name: "q"},
	}
}

// listed are the ids that one list finds.
func (s *site) listed(namespace, query string) []string {
	s.t.Helper()
	got, err := s.ListWorkflowExecutions(fresh(context.Background()), &workflowservice.ListWorkflowExecutionsRequest{Namespace: namespace, Query: query})
	require.NoError(s.t, err, query)
	ids := []string{}
	for _, info := range got.Executions {
		ids = append(ids, info.Execution.WorkflowId)
	}
	return ids
}

func (s *site) terminate(namespace, id string) {
	s.t.Helper()
	_, err := s.TerminateWorkflowExecution(context.Background(), &workflowservice.TerminateWorkflowExecutionRequest{
		Namespace: namespace, WorkflowExecution: &commonpb.WorkflowExecution{WorkflowId: id},
	})
	require.NoError(s.t, err)
}
