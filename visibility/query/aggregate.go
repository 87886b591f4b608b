package query

import (
	"strconv"
	"time"
)

// Function is what an aggregate computes over the values of a group.
type Function int

// Functions. All but Count pass over runs without the attribute, and all but
// Count and CountDistinct have no value where no run has it.
const (
	Count         Function = iota // runs
	CountDistinct                 // different values; of a list, different elements
	Min
	Max
	Avg        // a Double: the sum as a Double, divided by the number of values
	Sum        // of Int an Int while it fits, else a Double
	Percentile // nearest rank
)

var functionTexts = []string{"COUNT", "COUNT_DISTINCT", "MIN", "MAX", "AVG", "SUM", "PCT"}

// Aggregate is a function over an attribute.
type Aggregate struct {
	Function Function
	Field    Field // not of Count
	// Thousandths of a percent, of Percentile: the value is that of rank
	// ceil(Thousandths * n / 100000), at least 1, among n values in ascending order.
	Thousandths int64
}

// percentOne is one percent in thousandths.
const percentOne = 1000

// percentiles have names of their own.
var percentiles = map[string]int64{"P50": 50 * percentOne, "P90": 90 * percentOne, "P95": 95 * percentOne, "P99": 99 * percentOne}

// Rank returns which of n values in ascending order a percentile is, counted from 1.
func (a Aggregate) Rank(n int64) int64 {
	const whole = 100 * percentOne
	// In two steps, so that no product overflows.
	rank := n/whole*a.Thousandths + (n%whole*a.Thousandths+whole-1)/whole
	return max(rank, 1)
}

// String returns the aggregate as it is written.
func (a Aggregate) String() string {
	switch {
	case a.Function == Count:
		return "COUNT(*)"
	case a.Function != Percentile:
		return functionTexts[a.Function] + "(" + printName(a.Field.Name) + ")"
	}
	for name, thousandths := range percentiles {
		if thousandths == a.Thousandths {
			return name + "(" + printName(a.Field.Name) + ")"
		}
	}
	percent := strconv.FormatFloat(float64(a.Thousandths)/percentOne, 'f', -1, 64)
	return "PCT(" + printName(a.Field.Name) + ", " + percent + ")"
}

// SelectItem is a column of the answer: an aggregate, or a key of GROUP BY.
type SelectItem struct {
	Aggregate *Aggregate
	Key       *Key
	As        string // empty: without AS; only of aggregates
}

// Key is what GROUP BY divides by: an attribute, a bucket of time, or a range of numbers.
type Key struct {
	Field Field
	// Bucket is a length of time, in whole seconds; 0: no bucket. Buckets begin
	// at multiples since 1970, those of whole weeks on Mondays. With a Zone they
	// are of whole days, by its calendar.
	Bucket   time.Duration
	Zone     string
	Location *time.Location // set by Check where there is a Zone
	// Bounds divide numbers into len(Bounds)+1 ranges, each from its bound up to
	// the next; empty: no range.
	Bounds []Value
}

// IsPlain tells that the key is the attribute itself.
func (k Key) IsPlain() bool { return k.Bucket == 0 && len(k.Bounds) == 0 }

// HavingTerm compares an aggregate of a group with a number.
type HavingTerm struct {
	Aggregate Aggregate
	Op        Op
	Number    Value
}

// OrderTerm is one term of ORDER BY: an attribute or an aggregate of groups. What is
// absent comes last, unless NullsFirst. A list is ordered by its least element.
type OrderTerm struct {
	Field      Field
	Aggregate  *Aggregate // nil: Field
	Descending bool
	NullsFirst bool
}

// IsGrouped tells that the query asks for groups or aggregates, not for runs.
func (q *Query) IsGrouped() bool { return len(q.GroupBy) > 0 || len(q.Select) > 0 }

// Aggregates returns the different aggregates of SELECT, HAVING and ORDER BY,
// in that order. A group has one value for each.
func (q *Query) Aggregates() []Aggregate {
	var all []Aggregate
	seen := map[string]bool{}
	add := func(a Aggregate) {
		if text := a.String(); !seen[text] {
			seen[text] = true
			all = append(all, a)
		}
	}
	for _, item := range q.Select {
		if item.Aggregate != nil {
			add(*item.Aggregate)
		}
	}
	for _, term := range q.Having {
		add(term.Aggregate)
	}
	for _, term := range q.OrderBy {
		if term.Aggregate != nil {
			add(*term.Aggregate)
		}
	}
	return all
}
