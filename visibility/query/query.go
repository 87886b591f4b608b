// Package query is the filter language of visibility: lexer, parser, printer
// and type check over one AST. It is pure.
//
// Parse turns text into a Query, Check resolves its names and types its values
// against the attributes of a namespace, and only a checked Query can be
// evaluated: by eval in memory, or compiled by the stores.
//
// Some forms are there for people only, and Check replaces them: HasList by In
// or a conjunction, Match by Phrases, View by its filter, relative times by
// times. What remains for a store is And, Or, Not, Compare, CompareFields, In,
// Between, StartsWith, IsNull, Like, Phrase and Exists.
package query

import (
	"time"

	enumspb "go.temporal.io/api/enums/v1"
)

// Query is a parsed filter with its clauses.
type Query struct {
	Explain bool // tell how it would be answered
	Select  []SelectItem
	Where   Expr // nil: everything
	GroupBy []Key
	Having  []HavingTerm
	OrderBy []OrderTerm
	Limit   int // groups; 0: without LIMIT
	// AsOf is the time that NOW() stood for when Check resolved it; zero where
	// the query has no relative time.
	AsOf time.Time
}

// Expr is a node of a filter.
type Expr interface{ expr() }

// And holds where both sides hold.
type And struct{ Left, Right Expr }

// Or holds where one side holds.
type Or struct{ Left, Right Expr }

// Not is the complement of X: what it keeps and what X keeps are everything.
type Not struct{ X Expr }

// Field is the attribute that a predicate looks at.
type Field struct {
	Name string
	// Type is set by Check. Statuses and durations are Int.
	Type enumspb.IndexedValueType
	// at is where the name stands in the text, as a byte counted from 1; 0 in no text.
	at int
}

// Op is a comparison.
type Op int

// Comparisons. NotEqual is the complement of Equal: it holds where the attribute is absent.
const (
	Equal Op = iota
	NotEqual
	Less
	LessOrEqual
	Greater
	GreaterOrEqual
)

var opTexts = []string{"=", "!=", "<", "<=", ">", ">="}

// String returns the operator as it is written.
func (o Op) String() string { return opTexts[o] }

// Compare compares an attribute with a value. On a KeywordList, Equal holds
// when any element is equal; on a Text, when any word of the value occurs.
type Compare struct {
	Field Field
	Op    Op
	Value Value
}

// In holds where the attribute, or any element of a KeywordList, is one of the values.
type In struct {
	Field   Field
	Negated bool
	Values  []Value
}

// Between holds from Low to High, both included.
type Between struct {
	Field     Field
	Negated   bool
	Low, High Value
}

// StartsWith holds where a Keyword begins with the prefix, byte by byte.
type StartsWith struct {
	Field   Field
	Negated bool
	Prefix  Value
}

// IsNull holds where the attribute is absent; Negated, where it is present.
type IsNull struct {
	Field   Field
	Negated bool
}

// CompareFields compares two attributes of one type. It is false where one of
// them is absent, except that NotEqual is the complement of Equal.
type CompareFields struct {
	Left  Field
	Op    Op
	Right Field
}

// HasList holds where a KeywordList has any, or all, of the values.
type HasList struct {
	Field   Field
	Negated bool
	All     bool
	Values  []Value
}

// Exists holds where one of the pending items of that kind holds Where, whose
// attributes are those of attr.ItemTypes.
type Exists struct {
	Kind  string
	Where Expr // nil: any item
}

// View stands for a saved filter, with values for its parameters.
type View struct {
	Name   string
	Params []Param
	at     int
}

// Param is a value for a parameter of a view.
type Param struct {
	Name  string
	Value Value
}

func (*And) expr()           {}
func (*Or) expr()            {}
func (*Not) expr()           {}
func (*Compare) expr()       {}
func (*CompareFields) expr() {}
func (*In) expr()            {}
func (*HasList) expr()       {}
func (*Between) expr()       {}
func (*StartsWith) expr()    {}
func (*IsNull) expr()        {}
func (*Like) expr()          {}
func (*Match) expr()         {}
func (*Phrase) expr()        {}
func (*Exists) expr()        {}
func (*View) expr()          {}

// Kind tells which field of a Value is set.
type Kind int

// Kinds of values. The parser makes no Time; Check does, and leaves no Relative.
const (
	String Kind = iota
	Int
	Double
	Bool
	Time
	Relative
)

var kindTexts = []string{"string", "int64", "float64", "bool", "time", "time"}

// Value is a literal. Check turns it into the kind of its attribute; a Double
// stays beside an Int attribute when it is no whole number that fits.
type Value struct {
	Kind   Kind
	String string
	Int    int64
	Double float64
	Bool   bool
	Time   time.Time // in UTC
	// Relative is a time counted from the moment of the query.
	Relative RelativeTime
}

// RelativeTime is NOW() or, with Today, the midnight that began the day in Zone,
// and Offset later.
type RelativeTime struct {
	Today  bool
	Zone   string // name of a time zone; empty: UTC
	Offset time.Duration
}

// Error says why a query is refused, in words for the user. It means an invalid argument.
type Error struct {
	Message string
	located bool // Message tells where in the text
}

func (e *Error) Error() string { return e.Message }
