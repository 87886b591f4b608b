package frontend

import (
	"context"
	"errors"

	commonpb "go.temporal.io/api/common/v1"
	"go.temporal.io/api/serviceerror"
	workflowpb "go.temporal.io/api/workflow/v1"
	"go.temporal.io/api/workflowservice/v1"

	"perdure/server/apierr"
	"perdure/server/cluster"
	"perdure/server/config"
	"perdure/server/search"
	"perdure/visibility"
	"perdure/visibility/query"
)

// ListWorkflowExecutions finds runs by a filter.
func (f *Frontend) ListWorkflowExecutions(ctx context.Context, req *workflowservice.ListWorkflowExecutionsRequest) (*workflowservice.ListWorkflowExecutionsResponse, error) {
	runs, next, err := f.listText(ctx, req.GetQuery(), req.GetPageSize(), req.GetNextPageToken())
	if err != nil {
		return nil, err
	}
	return &workflowservice.ListWorkflowExecutionsResponse{Executions: runs, NextPageToken: next}, nil
}

// ScanWorkflowExecutions is the old name of ListWorkflowExecutions.
//
//nolint:staticcheck // old clients call it
func (f *Frontend) ScanWorkflowExecutions(ctx context.Context, req *workflowservice.ScanWorkflowExecutionsRequest) (*workflowservice.ScanWorkflowExecutionsResponse, error) {
	runs, next, err := f.listText(ctx, req.GetQuery(), req.GetPageSize(), req.GetNextPageToken())
	if err != nil {
		return nil, err
	}
	return &workflowservice.ScanWorkflowExecutionsResponse{Executions: runs, NextPageToken: next}, nil
}

// ListArchivedWorkflowExecutions finds runs in the archive, of which there is none yet.
func (f *Frontend) ListArchivedWorkflowExecutions(_ context.Context, req *workflowservice.ListArchivedWorkflowExecutionsRequest) (*workflowservice.ListArchivedWorkflowExecutionsResponse, error) {
	if req.GetPageSize() > config.ArchivedPageMax {
		return nil, apierr.InvalidArgument("PageSize is larger than allowed %d.", config.ArchivedPageMax)
	}
	return nil, apierr.InvalidArgument("Cluster is not configured for visibility archival.")
}

func (f *Frontend) listText(ctx context.Context, text string, size int32, token []byte) ([]*workflowpb.WorkflowExecutionInfo, []byte, error) {
	q, err := query.Parse(text)
	if err != nil {
		return nil, nil, badQuery(err)
	}
	return f.list(ctx, q, size, token)
}

func (f *Frontend) list(ctx context.Context, q *query.Query, size int32, token []byte) ([]*workflowpb.WorkflowExecutionInfo, []byte, error) {
	ns := namespaceOf(ctx)
	if err := query.CheckListWith(q, f.queryOptions(ctx, token)); err != nil {
		return nil, nil, badQuery(err)
	}
	if q.Explain {
		return nil, nil, apierr.InvalidArgument("invalid query: operation is not supported: EXPLAIN of a list; ask CountWorkflowExecutions")
	}
	query.Normalize(q)
	if err := f.admitSearch(ctx, q, false); err != nil {
		return nil, nil, err
	}
	records, next, err := f.visibility.List(ctx, visibility.ListRequest{
		NamespaceID: ns.ID,
		Query:       q,
		PageSize:    int(pageSize(size, f.limits.VisibilityPageMax)),
		PageToken:   token,
	})
	if err != nil {
		return nil, nil, listError(err)
	}
	runs := make([]*workflowpb.WorkflowExecutionInfo, len(records))
	for i, r := range records {
		runs[i] = runInfo(ns, r)
	}
	return runs, next, nil
}

// freshHeader asks that what the caller was told of before is found.
const freshHeader = "perdure-visibility-fresh"

// admitSearch makes a checked query pay for what it costs, and wait when the caller wants to find what it wrote.
func (f *Frontend) admitSearch(ctx context.Context, q *query.Query, counts bool) error {
	f.rates.charge(namespaceOf(ctx).Name, search.ShapeOf(q, counts).Cost())
	if f.fresh == nil || header(ctx, freshHeader) == "" {
		return nil
	}
	return f.fresh(ctx)
}

// badQuery is the answer to a filter that cannot be read; other errors stay.
func badQuery(err error) error {
	var refused *query.Error
	if errors.As(err, &refused) {
		return apierr.InvalidArgument("%s", refused.Message)
	}
	return err
}

// listError is the answer when the store finds nothing it can list. Trouble
// with the store passes, so clients may retry.
func listError(err error) error {
	var refused *query.Error
	var late *search.TimeoutError
	switch {
	case errors.As(err, &late):
		return serviceerror.NewDeadlineExceeded(late.Error())
	case errors.Is(err, visibility.ErrPageToken):
		return apierr.InvalidArgument("Invalid NextPageToken.")
	case errors.As(err, &refused):
		return badQuery(err)
	case errors.Is(err, visibility.ErrUnsupported):
		return apierr.InvalidArgument("%v", err)
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return err
	}
	return apierr.Unavailable("the visibility store failed: %v", err)
}

// runInfo shows a record as lists do; there is always a set of search attributes,
// under the names that they have now.
func runInfo(ns *cluster.Namespace, r *visibility.Record) *workflowpb.WorkflowExecutionInfo {
	info := visibility.Info(r)
	info.SearchAttributes = ns.AttributeKeys.Shown(ns.SearchAttributes, info.SearchAttributes)
	if info.SearchAttributes == nil {
		info.SearchAttributes = &commonpb.SearchAttributes{}
	}
	return info
}
