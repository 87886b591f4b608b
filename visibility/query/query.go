// Package query is the filter language of visibility: lexer, parser, printer
// and type check over one AST. It is pure.
package query

// Query is a parsed filter.
type Query struct {
	Where   Expr // nil: everything
	OrderBy []OrderTerm
	GroupBy []string
}

// Expr is a node of a filter.
type Expr interface{ expr() }

// OrderTerm is one term of ORDER BY.
type OrderTerm struct {
	Field      string
	Descending bool
}
