package query

import (
	enumspb "go.temporal.io/api/enums/v1"

	"perdure/visibility/attr"
)

// Limits of groups: more are no answer that a person reads.
const (
	MaxGroupKeys   = 10     // keys of GROUP BY
	MaxGroups      = 10_000 // groups of an answer; the first ones are shown
	MaxAggregates  = 50     // different aggregates of SELECT, HAVING and ORDER BY
	MaxOrderTerms  = 10     // terms of ORDER BY
	MaxRangeBounds = 100    // bounds of a RANGE
)

// clauses checks everything but the filter.
func (c *checker) clauses(q *Query) error {
	if err := c.groupBy(q); err != nil {
		return err
	}
	if err := c.selectItems(q); err != nil {
		return err
	}
	if err := c.having(q); err != nil {
		return err
	}
	if err := c.orderBy(q); err != nil {
		return err
	}
	switch {
	case len(q.Aggregates()) > MaxAggregates:
		return unsupported("more than %d aggregates", MaxAggregates)
	case !q.IsGrouped() && len(q.Having) > 0:
		return unsupported("'HAVING' clause")
	case !q.IsGrouped() && q.Limit > 0:
		return unsupported("'LIMIT' clause")
	}
	return nil
}

func (c *checker) groupBy(q *Query) error {
	if len(q.GroupBy) > MaxGroupKeys {
		return unsupported("'GROUP BY' clause with more than %d keys", MaxGroupKeys)
	}
	for i := range q.GroupBy {
		if err := c.key(&q.GroupBy[i]); err != nil {
			return located(err, q.GroupBy[i].Field.at)
		}
	}
	return nil
}

func (c *checker) key(key *Key) error {
	r, err := c.field(&key.Field)
	if err != nil {
		return err
	}
	switch {
	case key.Bucket > 0:
		return c.bucketKey(key, r)
	case len(key.Bounds) > 0:
		return c.rangeKey(key, r)
	case isUnordered(r.declared):
		return unsupported("'GROUP BY' clause is not supported for search attribute %s", r.written)
	}
	return nil
}

func (c *checker) bucketKey(key *Key, r resolved) error {
	if r.declared != enumspb.INDEXED_VALUE_TYPE_DATETIME {
		return r.unsupportedOperator("BUCKET")
	}
	if key.Zone == "" {
		return nil
	}
	location, err := c.zone(key.Zone)
	key.Location = location
	return err
}

func (c *checker) rangeKey(key *Key, r resolved) error {
	if !isNumber(key.Field) {
		return r.unsupportedOperator("RANGE")
	}
	if len(key.Bounds) > MaxRangeBounds {
		return unsupported("RANGE with more than %d bounds", MaxRangeBounds)
	}
	for i := range key.Bounds {
		bound, err := r.value(key.Bounds[i])
		if err != nil {
			return err
		}
		key.Bounds[i] = bound
		if i > 0 && CompareNumbers(key.Bounds[i-1], bound) >= 0 {
			return invalid("the bounds of a RANGE ascend")
		}
	}
	return nil
}

// isNumber tells Int and Double, durations too, but no status.
func isNumber(f Field) bool {
	return (f.Type == enumspb.INDEXED_VALUE_TYPE_INT || f.Type == enumspb.INDEXED_VALUE_TYPE_DOUBLE) && f.Name != attr.ExecutionStatus
}

// isText tells the types whose values are strings that are compared whole.
func isText(f Field) bool {
	return f.Type == enumspb.INDEXED_VALUE_TYPE_KEYWORD || f.Type == enumspb.INDEXED_VALUE_TYPE_KEYWORD_LIST
}

func (c *checker) selectItems(q *Query) error {
	for _, item := range q.Select {
		if item.Aggregate != nil {
			if err := c.aggregate(item.Aggregate); err != nil {
				return located(err, item.Aggregate.Field.at)
			}
			continue
		}
		if err := c.key(item.Key); err != nil {
			return located(err, item.Key.Field.at)
		}
		if keyPlace(q.GroupBy, item.Key.String()) < 0 {
			return located(unsupported("SELECT of %s, which is no key of GROUP BY", item.Key), item.Key.Field.at)
		}
	}
	return nil
}

func keyPlace(keys []Key, text string) int {
	for i, key := range keys {
		if key.String() == text {
			return i
		}
	}
	return -1
}

func (c *checker) aggregate(a *Aggregate) error {
	if a.Function == Count {
		return nil
	}
	r, err := c.field(&a.Field)
	if err != nil {
		return err
	}
	if !a.takes(r) {
		return r.unsupportedOperator(functionTexts[a.Function])
	}
	return nil
}

// takes tells whether the function computes over such values.
func (a *Aggregate) takes(r resolved) bool {
	isTime := r.declared == enumspb.INDEXED_VALUE_TYPE_DATETIME
	switch a.Function {
	case CountDistinct:
		return r.declared != text
	case Min, Max:
		return isNumber(a.Field) || isTime || a.Field.Type == enumspb.INDEXED_VALUE_TYPE_KEYWORD
	case Percentile:
		return isNumber(a.Field) || isTime
	default:
		return isNumber(a.Field)
	}
}

func (c *checker) having(q *Query) error {
	for i := range q.Having {
		term := &q.Having[i]
		if err := c.aggregate(&term.Aggregate); err != nil {
			return located(err, term.Aggregate.Field.at)
		}
		function := term.Aggregate.Function
		if function != Count && function != CountDistinct && !isNumber(term.Aggregate.Field) {
			return located(unsupported("'HAVING' of %s, which is no number", term.Aggregate), term.Aggregate.Field.at)
		}
		if term.Number.Kind != Int && term.Number.Kind != Double {
			return invalid("'HAVING' compares %s with a number, not with %s", term.Aggregate, showValue(term.Number))
		}
	}
	return nil
}

func (c *checker) orderBy(q *Query) error {
	if len(q.OrderBy) > MaxOrderTerms {
		return unsupported("'ORDER BY' clause with more than %d terms", MaxOrderTerms)
	}
	for i := range q.OrderBy {
		term := &q.OrderBy[i]
		if err := c.orderTerm(q, term); err != nil {
			return located(err, term.Field.at)
		}
	}
	return nil
}

func (c *checker) orderTerm(q *Query, term *OrderTerm) error {
	if term.Aggregate == nil {
		term.Aggregate = aliased(q, term)
	}
	switch {
	case term.Aggregate != nil && !q.IsGrouped():
		return unsupported("'ORDER BY' clause with %s without groups", term.Aggregate)
	case term.Aggregate != nil:
		return c.aggregate(term.Aggregate)
	}
	r, err := c.field(&term.Field)
	switch {
	case err != nil:
		return err
	case r.declared == text:
		return unsupported("unable to sort by search attribute type %s", r.declared)
	case q.IsGrouped() && q.OrderKey(*term) < 0:
		return unsupported("'ORDER BY' clause with %s, which is no key of GROUP BY", r.written)
	}
	return nil
}

// aliased returns the aggregate that SELECT gives the name of the term.
func aliased(q *Query, term *OrderTerm) *Aggregate {
	for _, item := range q.Select {
		if item.Aggregate != nil && item.As != "" && item.As == term.Field.Name {
			term.Field = Field{}
			aggregate := *item.Aggregate
			return &aggregate
		}
	}
	return nil
}

// OrderKey returns which key of GROUP BY a term of ORDER BY means, -1 for none.
func (q *Query) OrderKey(term OrderTerm) int {
	for i, key := range q.GroupBy {
		if term.Aggregate == nil && key.Field.Name == term.Field.Name {
			return i
		}
	}
	return -1
}

// CheckCount is CheckWith for a count, which has an order only where it has groups.
func CheckCount(q *Query, options Options) error {
	if err := CheckWith(q, options); err != nil {
		return err
	}
	if len(q.OrderBy) > 0 && !q.IsGrouped() {
		return unsupported("'ORDER BY' clause")
	}
	return nil
}

// located adds to an error where in the text it is, unless it tells already.
func located(err error, at int) error {
	refused, ok := err.(*Error)
	if !ok || at == 0 || refused.located {
		return err
	}
	return &Error{Message: refused.Message + " (byte " + itoa(at) + ")", located: true}
}
