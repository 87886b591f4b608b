package postgres

import (
	"context"
	"encoding/json"
	"fmt"

	"perdure/visibility"
	"perdure/visibility/query"
	"perdure/visibility/sqlform"
)

var _ visibility.Explainer = (*Store)(nil)

// planNode is a node of a plan, as EXPLAIN tells it.
type planNode struct {
	Type  string     `json:"Node Type"`
	Index string     `json:"Index Name"`
	Rows  float64    `json:"Plan Rows"`
	Plans []planNode `json:"Plans"`
}

func (d *database) plan(ctx context.Context, text string, args []any) (planNode, error) {
	var data []byte
	if err := d.pool.QueryRow(ctx, "EXPLAIN (FORMAT JSON) "+text, append([]any{freshPlan}, args...)...).Scan(&data); err != nil {
		return planNode{}, err
	}
	var plans []struct{ Plan planNode }
	if err := json.Unmarshal(data, &plans); err != nil || len(plans) != 1 {
		return planNode{}, fmt.Errorf("unexpected plan %s: %w", data, err)
	}
	return plans[0].Plan, nil
}

// steps lists a plan, the outermost first.
func (n planNode) steps() []visibility.Step {
	steps := []visibility.Step{{Kind: n.Type, Index: n.Index, Rows: int64(n.Rows)}}
	for _, below := range n.Plans {
		steps = append(steps, below.steps()...)
	}
	return steps
}

// Explain implements visibility.Explainer.
func (s *Store) Explain(ctx context.Context, req visibility.ExplainRequest) (visibility.Plan, error) {
	number, _, err := s.NumberOf(ctx, req.NamespaceID)
	if err != nil {
		return visibility.Plan{}, err
	}
	few, err := s.database.IsFew(ctx, number, req.Query)
	if err != nil {
		return visibility.Plan{}, err
	}
	text, args, err := sqlform.Explained(s.database.Dialect(ctx), number, req, few)
	if err != nil {
		return visibility.Plan{}, err
	}
	root, err := s.database.plan(ctx, text, args)
	if err != nil {
		return visibility.Plan{}, fmt.Errorf("explain: %w", err)
	}
	return visibility.Plan{Statement: text, Steps: root.steps()}, nil
}

// candidatesMax is how many runs may be sorted, or searched for a part of a keyword, without an index.
const candidatesMax = 1_000_000

// Guard implements sqlform.Database: it refuses a list that would sort or search too many runs for want of an index.
func (d *database) Guard(ctx context.Context, number int64, q *query.Query) error {
	for _, wanted := range sqlform.Wanted(q) {
		isOrder := wanted.Use == visibility.IndexOrder && len(q.OrderBy) > 0 && !q.IsGrouped() && q.OrderBy[0].Field.Name == wanted.Attribute
		if !isOrder && wanted.Use != visibility.IndexInfix || d.hasIndex(ctx, wanted) {
			continue
		}
		text, args := sqlform.Candidates(d.Dialect(ctx), number, q.Where, isOrder)
		root, err := d.plan(ctx, text, args)
		if err != nil {
			return fmt.Errorf("estimate a query: %w", err)
		}
		if root.Rows > float64(d.candidatesMax) {
			return &query.Error{Message: fmt.Sprintf("invalid query: about %.0f runs would have to be looked at for %s, the limit is %d: narrow the filter, or create an index (perdure visibility index create %s --use %s)",
				root.Rows, wanted.Attribute, d.candidatesMax, wanted.Attribute, wanted.Use)}
		}
	}
	return nil
}

// IsFew implements sqlform.Database.
func (d *database) IsFew(ctx context.Context, number int64, q *query.Query) (bool, error) {
	if !sqlform.IsRange(d.Dialect(ctx), q) {
		return false, nil
	}
	text, args := sqlform.Candidates(d.Dialect(ctx), number, q.Where, true)
	root, err := d.plan(ctx, text, args)
	if err != nil {
		return false, fmt.Errorf("estimate a query: %w", err)
	}
	var all int64
	if err := d.pool.QueryRow(ctx, sqlform.CountAll, number).Scan(&all); err != nil {
		return false, fmt.Errorf("count runs: %w", err)
	}
	return root.Rows <= float64(sqlform.FewAt(all, q)), nil
}

func (d *database) hasIndex(ctx context.Context, index visibility.AttributeIndex) bool {
	o, err := own(index)
	if err != nil {
		return false
	}
	var found bool
	err = d.pool.QueryRow(ctx, "SELECT EXISTS (SELECT 1 FROM "+sqlform.IndexesTable+" WHERE name = $1)", o.Name).Scan(&found)
	return err == nil && found
}
