// Package query is the filter language of visibility: lexer, parser, printer
// and type check over one AST. It is pure.
//
// Parse turns text into a Query, Check resolves its names and types its values
// against the attributes of a namespace, and only a checked Query can be
// evaluated: by eval in memory, or compiled to SQL by the stores.
package query

import (
	"time"

	enumspb "go.temporal.io/api/enums/v1"
)

// Query is a parsed filter.
type Query struct {
	Where   Expr // nil: everything
	OrderBy []OrderTerm
	GroupBy []string
}

// Expr is a node of a filter: And, Or, Not, Compare, In, Between, StartsWith or IsNull.
type Expr interface{ expr() }

// OrderTerm is one term of ORDER BY.
type OrderTerm struct {
	Field      string
	Descending bool
}

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

func (*And) expr()        {}
func (*Or) expr()         {}
func (*Not) expr()        {}
func (*Compare) expr()    {}
func (*In) expr()         {}
func (*Between) expr()    {}
func (*StartsWith) expr() {}
func (*IsNull) expr()     {}

// Kind tells which field of a Value is set.
type Kind int

// Kinds of values. The parser makes no Time; Check does.
const (
	String Kind = iota
	Int
	Double
	Bool
	Time
)

var kindTexts = []string{"string", "int64", "float64", "bool", "time"}

// Value is a literal. Check turns it into the kind of its attribute; a Double
// stays beside an Int attribute when it is no whole number that fits.
type Value struct {
	Kind   Kind
	String string
	Int    int64
	Double float64
	Bool   bool
	Time   time.Time // in UTC
}

// Error says why a query is refused, in words for the user. It means an invalid argument.
type Error struct{ Message string }

func (e *Error) Error() string { return e.Message }
