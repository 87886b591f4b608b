package frontend

import (
	"context"
	"time"

	"github.com/grpc-ecosystem/grpc-gateway/v2/runtime"
	commonpb "go.temporal.io/api/common/v1"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	"perdure/server/ledger"
	"perdure/server/ledgerpb"
)

// accountant answers the service of ledgers.
type accountant struct {
	ledgerpb.UnimplementedLedgerServiceServer
	f *Frontend
}

// GetLedger tells where the time of one run went.
func (a *accountant) GetLedger(ctx context.Context, req *ledgerpb.GetLedgerRequest) (*ledgerpb.GetLedgerResponse, error) {
	if err := checkExecution(&commonpb.WorkflowExecution{WorkflowId: req.GetWorkflowId(), RunId: req.GetRunId()}); err != nil {
		return nil, err
	}
	r, err := a.f.ledgers.Ledger(ctx, namespaceOf(ctx), req.GetWorkflowId(), req.GetRunId())
	if err != nil {
		return nil, err
	}
	resp := &ledgerpb.GetLedgerResponse{
		WorkflowId: r.WorkflowID, RunId: r.RunID, WorkflowType: r.WorkflowType,
		StartTime: timestamppb.New(r.Ledger.Start), CloseTime: unlessZero(r.Ledger.End), Life: durationpb.New(r.Ledger.Life),
		Stages: stages(r.Ledger, r.Ledger.Lines), ServerStages: stages(r.Ledger, r.Server),
		ServerSince: unlessZero(r.Since), ServerComplete: r.Complete,
	}
	return resp, nil
}

// unlessZero is a time as messages have it; nil for the zero time.
func unlessZero(t time.Time) *timestamppb.Timestamp {
	if t.IsZero() {
		return nil
	}
	return timestamppb.New(t)
}

func stages(l ledger.Ledger, lines []ledger.Line) []*ledgerpb.Stage {
	made := make([]*ledgerpb.Stage, len(lines))
	for i, line := range lines {
		made[i] = &ledgerpb.Stage{
			Name: line.Stage.String(), Count: line.Count, Open: line.Open, Share: l.Share(line),
			Total: durationpb.New(line.Total), Maximum: durationpb.New(line.Maximum), Covered: durationpb.New(line.Covered),
		}
	}
	return made
}

// The routes of the service of ledgers: of the newest run, and of one run.
const (
	ledgerPath    = "/perdure/v1/namespaces/{namespace}/workflows/{workflow_id}/ledger"
	runLedgerPath = "/perdure/v1/namespaces/{namespace}/workflows/{workflow_id}/runs/{run_id}/ledger"
)

// registerLedger puts the service of ledgers under its routes.
func registerLedger(mux *runtime.ServeMux, client ledgerpb.LedgerServiceClient) error {
	for _, path := range []string{ledgerPath, runLedgerPath} {
		err := mux.HandlePath("GET", path, handlePath(mux, func(ctx context.Context, p map[string]string, _ decoder) (proto.Message, error) {
			return client.GetLedger(ctx, &ledgerpb.GetLedgerRequest{Namespace: p["namespace"], WorkflowId: p["workflow_id"], RunId: p["run_id"]})
		}))
		if err != nil {
			return err
		}
	}
	return nil
}
