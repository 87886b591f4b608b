package frontend

import (
	"context"
	"errors"
	"time"

	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/workflowservice/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"

	"perdure/server/apierr"
	"perdure/server/cluster"
	"perdure/server/search"
	"perdure/visibility"
	"perdure/visibility/attr"
	"perdure/visibility/query"
)

// truncatedHeader is in the answer to a count that has more groups than it shows.
const truncatedHeader = "perdure-groups-truncated"

// CountWorkflowExecutions counts the runs a filter finds. The values of a group
// are those of the keys of GROUP BY, then the aggregates of SELECT, each with
// metadata that names it.
func (f *Frontend) CountWorkflowExecutions(ctx context.Context, req *workflowservice.CountWorkflowExecutionsRequest) (*workflowservice.CountWorkflowExecutionsResponse, error) {
	ns := namespaceOf(ctx)
	q, err := query.Parse(req.GetQuery())
	if err == nil {
		err = checkCount(q, f.queryOptions(ctx, nil))
	}
	if err != nil {
		return nil, badQuery(err)
	}
	query.Normalize(q)
	if err := f.admitSearch(ctx, q, true); err != nil {
		return nil, err
	}
	if q.Explain {
		return f.explain(ctx, ns, q)
	}
	counted, err := f.visibility.Count(ctx, ns.ID, q)
	if err != nil {
		return nil, listError(err)
	}
	if counted.Truncated {
		_ = grpc.SetHeader(ctx, metadata.Pairs(truncatedHeader, "true")) // over HTTP there is no header to set
	}
	resp := &workflowservice.CountWorkflowExecutionsResponse{Count: counted.Total}
	for _, g := range counted.Groups {
		resp.Groups = append(resp.Groups, &workflowservice.CountWorkflowExecutionsResponse_AggregationGroup{GroupValues: g.Values, Count: g.Count})
	}
	return resp, nil
}

// checkCount checks a query for a count, or one whose plan is asked for, which may be a list.
func checkCount(q *query.Query, options query.Options) error {
	if q.Explain {
		return query.CheckWith(q, options)
	}
	return query.CheckCount(q, options)
}

// explain answers a query with EXPLAIN: one group whose value is the plan, as JSON.
func (f *Frontend) explain(ctx context.Context, ns *cluster.Namespace, q *query.Query) (*workflowservice.CountWorkflowExecutionsResponse, error) {
	explainer, ok := f.visibility.(visibility.Explainer)
	if !ok {
		return nil, listError(visibility.ErrUnsupported)
	}
	isList := len(q.OrderBy) > 0 && !q.IsGrouped()
	plan, err := explainer.Explain(ctx, visibility.ExplainRequest{NamespaceID: ns.ID, Query: q, Counts: !isList})
	switch {
	case errors.Is(err, search.ErrNoPlan):
		return nil, apierr.InvalidArgument("invalid query: operation is not supported: EXPLAIN: this store shows no plan")
	case err != nil:
		return nil, listError(err)
	}
	payload := attr.Encode(plan, enumspb.INDEXED_VALUE_TYPE_TEXT)
	payload.Metadata[visibility.MetadataAggregate] = []byte("EXPLAIN")
	return &workflowservice.CountWorkflowExecutionsResponse{Groups: []*workflowservice.CountWorkflowExecutionsResponse_AggregationGroup{
		{GroupValues: []*commonpb.Payload{payload}},
	}}, nil
}

// A namespace whose data has this key and value follows SQL's rule of absent attributes.
const (
	nullsKey = "perdure.search.nulls"
	nullsSQL = "sql"
)

// queryOptions are what a query of the call's namespace is checked with. On later pages
// NOW() is what it was on the first.
func (f *Frontend) queryOptions(ctx context.Context, token []byte) query.Options {
	now, ok := visibility.TokenAsOf(token)
	if !ok {
		now = f.clock.Now()
	}
	ns := namespaceOf(ctx)
	return query.Options{
		Custom: ns.SearchAttributes, Keys: ns.AttributeKeys, Now: now, Zone: time.LoadLocation, View: f.viewText(ctx), SQLNulls: ns.Data[nullsKey] == nullsSQL,
	}
}
