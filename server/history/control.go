package history

import (
	"context"
	"errors"
	"time"

	commonpb "go.temporal.io/api/common/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/api/workflowservice/v1"

	"perdure/server/cluster"
	"perdure/server/execution"
	"perdure/server/metrics"
)

// on decides a command on the run that a reference names and waits until it is durable.
func (e *Engine) on(ctx context.Context, ns *cluster.Namespace, ref *commonpb.WorkflowExecution, c execution.Command) (execution.Decision, *entry, error) {
	return e.onRun(ctx, ns, ref.GetWorkflowId(), ref.GetRunId(), c)
}

func (e *Engine) onRun(ctx context.Context, ns *cluster.Namespace, workflowID, runID string, c execution.Command) (execution.Decision, *entry, error) {
	for {
		en, err := e.find(ctx, ns.ID, workflowID, runID)
		if err != nil {
			return execution.Decision{}, nil, err
		}
		d, err := e.do(ctx, en, c)
		en.shard.unpin(en)
		if errors.Is(err, errEvicted) || (runID == "" && isNotFound(err) && en.shard.superseded(en)) {
			continue
		}
		return d, en, err
	}
}

// look finds a run and what the outside may see of it. The caller must unpin the entry.
func (e *Engine) look(ctx context.Context, ns *cluster.Namespace, workflowID, runID string) (*entry, *execution.State, error) {
	for {
		en, err := e.find(ctx, ns.ID, workflowID, runID)
		if err != nil {
			return nil, nil, err
		}
		state, _, err := en.view(ctx)
		if err == nil {
			return en, state, nil
		}
		en.shard.unpin(en)
		if !errors.Is(err, errEvicted) {
			return nil, nil, err
		}
	}
}

// inChain checks that the current run belongs to the chain that began with the run.
func (e *Engine) inChain(ctx context.Context, ns *cluster.Namespace, ref *commonpb.WorkflowExecution, firstRunID string) (*commonpb.WorkflowExecution, error) {
	if firstRunID == "" {
		return ref, nil
	}
	en, state, err := e.look(ctx, ns, ref.GetWorkflowId(), "")
	if err != nil {
		return nil, err
	}
	defer en.shard.unpin(en)
	if state.FirstRunID() != firstRunID {
		return nil, serviceerror.NewNotFound("workflow execution not found")
	}
	return &commonpb.WorkflowExecution{WorkflowId: ref.GetWorkflowId(), RunId: state.RunID}, nil
}

func (e *Engine) SignalWorkflowExecution(ctx context.Context, ns *cluster.Namespace, req *workflowservice.SignalWorkflowExecutionRequest) (*workflowservice.SignalWorkflowExecutionResponse, error) {
	_, en, err := e.on(ctx, ns, req.WorkflowExecution, execution.Signal{
		Name: req.SignalName, Input: req.Input, Header: req.Header, Identity: req.Identity, RequestID: req.RequestId, Links: req.Links,
	})
	if err != nil {
		return nil, err
	}
	metrics.Signals.In(e.cfg.Metrics, metrics.Namespaced{Namespace: ns.Name}).Inc()
	return &workflowservice.SignalWorkflowExecutionResponse{Link: signalLink(ns, en, req.RequestId)}, nil
}

func (e *Engine) RequestCancelWorkflowExecution(ctx context.Context, ns *cluster.Namespace, req *workflowservice.RequestCancelWorkflowExecutionRequest) (*workflowservice.RequestCancelWorkflowExecutionResponse, error) {
	ref, err := e.inChain(ctx, ns, req.WorkflowExecution, req.FirstExecutionRunId)
	if err != nil {
		return nil, err
	}
	_, _, err = e.on(ctx, ns, ref, execution.RequestCancel{
		Cause: req.Reason, Identity: req.Identity, RequestID: req.RequestId, Links: req.Links,
	})
	if err != nil {
		return nil, err
	}
	return &workflowservice.RequestCancelWorkflowExecutionResponse{}, nil
}

func (e *Engine) TerminateWorkflowExecution(ctx context.Context, ns *cluster.Namespace, req *workflowservice.TerminateWorkflowExecutionRequest) (*workflowservice.TerminateWorkflowExecutionResponse, error) {
	ref, err := e.inChain(ctx, ns, req.WorkflowExecution, req.FirstExecutionRunId)
	if err != nil {
		return nil, err
	}
	_, _, err = e.on(ctx, ns, ref, execution.Terminate{
		Reason: req.Reason, Details: req.Details, Identity: req.Identity, Links: req.Links,
	})
	if err != nil {
		return nil, err
	}
	return &workflowservice.TerminateWorkflowExecutionResponse{}, nil
}

func (e *Engine) DescribeWorkflowExecution(ctx context.Context, ns *cluster.Namespace, req *workflowservice.DescribeWorkflowExecutionRequest) (*workflowservice.DescribeWorkflowExecutionResponse, error) {
	en, state, err := e.look(ctx, ns, req.Execution.GetWorkflowId(), req.Execution.GetRunId())
	if err != nil {
		return nil, err
	}
	defer en.shard.unpin(en)
	return state.Describe(time.Now(), e.blocked), nil
}

func (e *Engine) ResetStickyTaskQueue(ctx context.Context, ns *cluster.Namespace, req *workflowservice.ResetStickyTaskQueueRequest) (*workflowservice.ResetStickyTaskQueueResponse, error) {
	if _, _, err := e.on(ctx, ns, req.Execution, execution.ResetSticky{}); err != nil {
		return nil, err
	}
	return &workflowservice.ResetStickyTaskQueueResponse{}, nil
}
