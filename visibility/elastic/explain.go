package elastic

import (
	"context"
	"encoding/json"
	"strings"

	"perdure/visibility"
)

var _ visibility.Explainer = (*Store)(nil)

// Explain implements visibility.Explainer. Nothing is asked of the server: it
// has no plans, it takes what it is sent.
func (s *Store) Explain(ctx context.Context, req visibility.ExplainRequest) (visibility.Plan, error) {
	if err := ctx.Err(); err != nil {
		return visibility.Plan{}, err
	}
	body, steps := s.planList(req)
	if req.Counts {
		body, steps = s.planCount(req)
	}
	statement, err := withoutValues(body)
	if err != nil {
		return visibility.Plan{}, err
	}
	return visibility.Plan{Statement: "POST /" + s.readAlias() + "/_search " + statement, Steps: steps}, nil
}

// Kinds of steps.
const (
	stepSearch  = "Search"            // in the server, exact
	stepGroups  = "Composite"         // in the server, counts equal values; ours makes groups of them
	stepRecords = "Filter on Records" // here, what terms alone cannot tell
	stepCount   = "Count of Records"  // here, record by record
)

func (s *Store) planList(req visibility.ExplainRequest) (object, []visibility.Step) {
	r := s.listReader(visibility.ListRequest{NamespaceID: req.NamespaceID, Query: req.Query})
	search := visibility.Step{Kind: stepSearch, Index: s.readAlias()}
	if r.filter.loose {
		return r.body(), []visibility.Step{{Kind: stepRecords}, search}
	}
	return r.body(), []visibility.Step{search}
}

func (s *Store) planCount(req visibility.ExplainRequest) (object, []visibility.Step) {
	r := s.newReader(req.NamespaceID, req.Query)
	fields := countedFields(req.Query)
	search := visibility.Step{Kind: stepSearch, Index: s.readAlias()}
	switch {
	case !r.isCountable(fields):
		r.order, r.size = byStart, candidatesPerPage
		return r.body(), []visibility.Step{{Kind: stepCount}, search}
	case len(fields) == 0:
		return r.totalBody(), []visibility.Step{search}
	default:
		body, _ := r.groupsBody(fields)
		return body, []visibility.Step{{Kind: stepGroups}, search}
	}
}

// withoutValues writes a request with a question mark for each value that a
// filter compares with. Names of attributes stay.
func withoutValues(body object) (string, error) {
	text, err := json.Marshal(body)
	if err != nil {
		return "", err
	}
	var parsed map[string]any
	if err := json.Unmarshal(text, &parsed); err != nil {
		return "", err
	}
	delete(parsed, "search_after")
	parsed["query"] = hideValues(parsed["query"], "")
	text, err = json.Marshal(parsed)
	return string(text), err
}

// structural are names whose values tell nothing of what is compared with.
var structural = map[string]bool{"field": true, "minimum_should_match": true, "case_insensitive": true}

// hideValues replaces the values below a field.
func hideValues(v any, field string) any {
	switch v := v.(type) {
	case map[string]any:
		for name, inner := range v {
			if !structural[name] {
				v[name] = hideValues(inner, fieldBelow(name, field))
			}
		}
		return v
	case []any:
		for i, inner := range v {
			v[i] = hideValues(inner, field)
		}
		return v
	case string:
		return hidden(v, field)
	default:
		return "?"
	}
}

// fieldBelow is the field that a name leads to: options of a test are none.
func fieldBelow(name, field string) string {
	if _, isField := fields[name]; !isField {
		return field
	}
	return name
}

// fields are those of the mapping.
var fields = mapping(true)["properties"].(object)

// hidden keeps the key of a term.
func hidden(text, field string) string {
	key, _, hasValue := strings.Cut(text, valueSign)
	switch {
	case field != fieldTerms && field != fieldWords:
		return "?"
	case hasValue:
		return key + valueSign + "?"
	default:
		return text
	}
}
