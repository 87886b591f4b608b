package frontend_test

import (
	"context"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/api/serviceerror"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"perdure/server/cluster"
	"perdure/server/frontend"
	"perdure/server/ledger"
	"perdure/server/ledgerpb"
)

// books knows one run.
type books struct{ asked string }

func (b *books) Ledger(_ context.Context, _ *cluster.Namespace, workflowID, runID string) (*ledger.Report, error) {
	b.asked = workflowID + " " + runID
	if workflowID != "w-1" {
		return nil, serviceerror.NewNotFound("no such run")
	}
	return &ledger.Report{
		WorkflowID: workflowID, RunID: "r", WorkflowType: "order", Since: time.Unix(5, 0), Complete: true,
		Ledger: ledger.Ledger{Start: time.Unix(5, 0), Life: 10 * time.Second, Lines: []ledger.Line{
			{Stage: ledger.Timer, Count: 2, Open: 1, Total: 8 * time.Second, Maximum: 5 * time.Second, Covered: 4 * time.Second},
		}},
		Server: []ledger.Line{{Stage: ledger.CommitStore, Count: 3, Total: time.Second, Maximum: time.Second, Covered: time.Second}},
	}, nil
}

func TestGetLedger(t *testing.T) {
	t.Parallel()
	known := &books{}
	b, ctx := setup(t, func(c *frontend.Config) { c.Ledgers = known }), context.Background()
	client := ledgerpb.NewLedgerServiceClient(b.conn)
	for _, bad := range []*ledgerpb.GetLedgerRequest{{Namespace: "default"}, {WorkflowId: "w-1"}, {Namespace: "default", WorkflowId: "w-1", RunId: "no uuid"}} {
		_, err := client.GetLedger(ctx, bad)
		require.Equal(t, codes.InvalidArgument, status.Code(err), "%v", bad)
	}
	_, err := client.GetLedger(ctx, &ledgerpb.GetLedgerRequest{Namespace: "nowhere", WorkflowId: "w-1"})
	require.Equal(t, codes.NotFound, status.Code(err))
	_, err = client.GetLedger(ctx, &ledgerpb.GetLedgerRequest{Namespace: "default", WorkflowId: "x"})
	require.Equal(t, codes.NotFound, status.Code(err))
	got, err := client.GetLedger(ctx, &ledgerpb.GetLedgerRequest{Namespace: "default", WorkflowId: "w-1"})
	require.NoError(t, err)
	require.Nil(t, got.CloseTime)
	require.InDelta(t, 0.4, got.Stages[0].Share, 1e-9)
	require.Equal(t, "commit_store", got.ServerStages[0].Name)
	require.True(t, got.ServerComplete)
}

func TestLedgerOverHTTP(t *testing.T) {
	t.Parallel()
	known := &books{}
	b := setup(t, func(c *frontend.Config) { c.Ledgers = known })
	handler, err := b.frontend.HTTPHandler(frontend.HTTPConfig{})
	require.NoError(t, err)
	const run = "7b2f4ab2-8a3c-4f0e-9f7e-0d7d6a5f3c11"
	code, body := overHTTP(t, handler, "GET", "/perdure/v1/namespaces/default/workflows/w-1/runs/"+run+"/ledger", "")
	require.Equal(t, http.StatusOK, code, body)
	require.Equal(t, "w-1 "+run, known.asked)
	require.Contains(t, body, "commit_store")
	code, _ = overHTTP(t, handler, "GET", "/perdure/v1/namespaces/default/workflows/x/ledger", "")
	require.Equal(t, http.StatusNotFound, code)
}
