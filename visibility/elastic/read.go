package elastic

import (
	"context"
	"fmt"
	"math"
	"time"

	enumspb "go.temporal.io/api/enums/v1"

	"perdure/visibility"
	"perdure/visibility/eval"
	"perdure/visibility/query"
)

// candidatesPerPage is how many records one request reads where the records decide.
const candidatesPerPage = 1000

// List implements visibility.Store.
func (s *Store) List(ctx context.Context, req visibility.ListRequest) ([]*visibility.Record, []byte, error) {
	after, err := req.Position()
	if err != nil {
		return nil, nil, err
	}
	if err := s.checkOrder(req.Query); err != nil {
		return nil, nil, err
	}
	r := s.listReader(req)
	r.after = after
	var page []*visibility.Record
	err = r.each(ctx, func(rec *visibility.Record) bool {
		page = append(page, rec)
		return len(page) <= req.Size()
	})
	if err != nil {
		return nil, nil, fmt.Errorf("list visibility: %w", err)
	}
	if len(page) <= req.Size() {
		return page, nil, nil
	}
	page = page[:req.Size()]
	return page, visibility.PositionOf(req.Query, page[len(page)-1]).Token(req), nil
}

// checkOrder refuses an order that the server does not have.
func (s *Store) checkOrder(q *query.Query) error {
	for _, term := range q.Order() {
		if _, isColumn := columns[term.Field.Name]; !isColumn && s.withoutValues.Load() {
			return fmt.Errorf("%w: 'ORDER BY' clause with %s on this server", visibility.ErrUnsupported, term.Field.Name)
		}
	}
	return nil
}

// listReader reads as much as a page needs, and one record more, which tells that there is another page.
func (s *Store) listReader(req visibility.ListRequest) *reader {
	r := s.newReader(req.NamespaceID, req.Query)
	r.order = req.Query
	r.size = req.Size() + 1
	if r.filter.loose {
		r.size = candidatesPerPage
	}
	return r
}

// reader goes through the records of a query.
type reader struct {
	store       *Store
	namespaceID string
	query       *query.Query
	filter      filter
	order       *query.Query // whose order it goes by
	after       visibility.Position
	size        int // records of one request
}

func (s *Store) newReader(namespaceID string, q *query.Query) *reader {
	return &reader{store: s, namespaceID: namespaceID, query: q, filter: compile(q.Where)}
}

// each visits records in order until visit returns false.
func (r *reader) each(ctx context.Context, visit func(*visibility.Record) bool) error {
	for {
		records, err := r.read(ctx)
		if err != nil {
			return err
		}
		for _, rec := range records {
			if r.filter.loose && !eval.Match(r.query.Where, visibility.Row(rec)) {
				continue
			}
			if !visit(rec) {
				return nil
			}
		}
		if len(records) < r.size {
			return nil
		}
		r.after = visibility.PositionOf(r.order, records[len(records)-1])
	}
}

// read returns the next records, whether or not they are kept.
func (r *reader) read(ctx context.Context) ([]*visibility.Record, error) {
	var found searchAnswer
	if err := r.store.search(ctx, r.body(), &found); err != nil {
		return nil, err
	}
	return found.records(r.namespaceID)
}

func (r *reader) body() object {
	terms := r.order.Order()
	body := object{
		"query": inNamespace(r.namespaceID, r.filter),
		"size":  r.size, "version": true, "_source": fieldRecord, "track_total_hits": false,
		"sort": sorts(terms),
	}
	if r.after != nil {
		body["search_after"] = searchAfter(terms, r.after)
	}
	return body
}

// records decodes what was found.
func (a *searchAnswer) records(namespaceID string) ([]*visibility.Record, error) {
	records := make([]*visibility.Record, len(a.Hits.Hits))
	for i, hit := range a.Hits.Hits {
		rec, err := visibility.Decode(namespaceID, hit.Version, hit.Source.Record)
		if err != nil {
			return nil, err
		}
		records[i] = rec
	}
	return records, nil
}

// sortField is where the values of an attribute are to sort and group by.
func sortField(field query.Field) (name string, number bool) {
	if c, ok := columns[field.Name]; ok {
		return c.field, c.number
	}
	return fieldValues + "." + attributeKey(field.Name, field.Type), false
}

func sorts(terms []query.OrderTerm) []object {
	out := make([]object, len(terms))
	for i, term := range terms {
		name, _ := sortField(term.Field)
		options := object{"order": "asc", "missing": "_last"}
		if term.Descending {
			options["order"] = "desc"
		}
		if term.NullsFirst {
			options["missing"] = "_first"
		}
		if term.Field.Type == enumspb.INDEXED_VALUE_TYPE_KEYWORD_LIST {
			options["mode"] = "min" // by the least element, in both directions
		}
		out[i] = object{name: options}
	}
	return out
}

// searchAfter is a position in the form of the fields that are sorted by.
func searchAfter(terms []query.OrderTerm, p visibility.Position) []any {
	out := make([]any, len(terms))
	for i, term := range terms {
		_, number := sortField(term.Field)
		switch {
		case p[i] == nil && number:
			out[i] = absentNumber(term)
		case p[i] == nil:
		case number:
			out[i] = asNumber(p[i])
		default:
			out[i] = sortable(p[i])
		}
	}
	return out
}

// absentNumber is what Elasticsearch takes an absent number for in an order.
func absentNumber(term query.OrderTerm) int64 {
	if term.Descending == term.NullsFirst {
		return math.MaxInt64
	}
	return math.MinInt64
}

// valueOf is the inverse of the stored form of an attribute.
func valueOf(field query.Field, stored any) (any, error) {
	switch stored := stored.(type) {
	case string:
		return original(stored, field.Type)
	case int64:
		if field.Type == enumspb.INDEXED_VALUE_TYPE_DATETIME {
			return time.Unix(0, stored).UTC(), nil
		}
		return stored, nil
	default:
		return nil, nil
	}
}
