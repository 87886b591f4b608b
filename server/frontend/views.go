package frontend

import (
	"context"
	"errors"

	"go.temporal.io/api/serviceerror"

	"perdure/server/search"
	"perdure/server/searchpb"
	"perdure/visibility"
	"perdure/visibility/query"
)

// searcher answers the service of searches beyond the public API.
type searcher struct {
	searchpb.UnimplementedSearchServiceServer
	f *Frontend
}

var _ searchpb.SearchServiceServer = (*searcher)(nil)

// CreateView saves a filter.
func (s *searcher) CreateView(ctx context.Context, req *searchpb.CreateViewRequest) (*searchpb.CreateViewResponse, error) {
	ns := namespaceOf(ctx)
	if err := s.f.views.Check(req.GetView(), ns.SearchAttributes); err != nil {
		return nil, err
	}
	v, err := s.f.views.Create(ctx, ns.ID, req.GetView())
	if err != nil {
		return nil, err
	}
	return &searchpb.CreateViewResponse{View: v}, nil
}

// UpdateView replaces a saved filter.
func (s *searcher) UpdateView(ctx context.Context, req *searchpb.UpdateViewRequest) (*searchpb.UpdateViewResponse, error) {
	ns := namespaceOf(ctx)
	if err := s.f.views.Check(req.GetView(), ns.SearchAttributes); err != nil {
		return nil, err
	}
	v, err := s.f.views.Update(ctx, ns.ID, req.GetView())
	if err != nil {
		return nil, err
	}
	return &searchpb.UpdateViewResponse{View: v}, nil
}

// GetView returns a saved filter.
func (s *searcher) GetView(ctx context.Context, req *searchpb.GetViewRequest) (*searchpb.GetViewResponse, error) {
	v, err := s.f.views.Get(ctx, namespaceOf(ctx).ID, req.GetName())
	if err != nil {
		return nil, err
	}
	return &searchpb.GetViewResponse{View: v}, nil
}

// ListViews returns the saved filters of a namespace.
func (s *searcher) ListViews(ctx context.Context, _ *searchpb.ListViewsRequest) (*searchpb.ListViewsResponse, error) {
	all, err := s.f.views.List(ctx, namespaceOf(ctx).ID)
	if err != nil {
		return nil, err
	}
	return &searchpb.ListViewsResponse{Views: all}, nil
}

// DeleteView forgets a saved filter.
func (s *searcher) DeleteView(ctx context.Context, req *searchpb.DeleteViewRequest) (*searchpb.DeleteViewResponse, error) {
	if err := s.f.views.Delete(ctx, namespaceOf(ctx).ID, req.GetName()); err != nil {
		return nil, err
	}
	return &searchpb.DeleteViewResponse{}, nil
}

// RenameAttribute gives a custom search attribute another name.
func (s *searcher) RenameAttribute(ctx context.Context, req *searchpb.RenameAttributeRequest) (*searchpb.RenameAttributeResponse, error) {
	if err := s.f.namespaces.RenameSearchAttribute(ctx, namespaceOf(ctx).Name, req.GetName(), req.GetNewName()); err != nil {
		return nil, err
	}
	return &searchpb.RenameAttributeResponse{}, nil
}

// ExplainQuery tells how the store would answer a query.
func (s *searcher) ExplainQuery(ctx context.Context, req *searchpb.ExplainQueryRequest) (*searchpb.ExplainQueryResponse, error) {
	explainer, can := s.f.visibility.(visibility.Explainer)
	if !can {
		return nil, noPlan()
	}
	q, err := s.f.explainable(ctx, req)
	if err != nil {
		return nil, badQuery(err)
	}
	plan, err := explainer.Explain(ctx, visibility.ExplainRequest{NamespaceID: namespaceOf(ctx).ID, Query: q, Counts: req.GetCounts()})
	switch {
	case errors.Is(err, search.ErrNoPlan):
		return nil, noPlan()
	case err != nil:
		return nil, listError(err)
	}
	shape := search.ShapeOf(q, req.GetCounts())
	resp := &searchpb.ExplainQueryResponse{Store: s.f.visibility.Name(), Statement: plan.Statement, Shape: string(shape), Cost: int32(shape.Cost())}
	for _, step := range plan.Steps {
		resp.Steps = append(resp.Steps, &searchpb.PlanStep{Kind: step.Kind, Index: step.Index, Rows: step.Rows})
	}
	return resp, nil
}

func noPlan() error { return serviceerror.NewUnimplemented("the visibility store tells no plans") }

// explainable is the checked query of a request.
func (f *Frontend) explainable(ctx context.Context, req *searchpb.ExplainQueryRequest) (*query.Query, error) {
	q, err := query.Parse(req.GetQuery())
	if err != nil {
		return nil, err
	}
	check := query.CheckListWith
	if req.GetCounts() {
		check = query.CheckCount
	}
	if err := check(q, f.queryOptions(ctx, nil)); err != nil {
		return nil, err
	}
	query.Normalize(q)
	return q, nil
}

// viewText gives queries the texts of saved filters of the call's namespace.
func (f *Frontend) viewText(ctx context.Context) func(name string) (string, error) {
	return func(name string) (string, error) {
		v, err := f.views.Get(ctx, namespaceOf(ctx).ID, name)
		var missing *serviceerror.NotFound
		if errors.As(err, &missing) {
			return "", &query.Error{Message: "invalid query: " + missing.Message}
		}
		return v.GetQuery(), err
	}
}
