package sqlform

import (
	"fmt"
	"hash/fnv"
	"strings"

	enumspb "go.temporal.io/api/enums/v1"

	"perdure/visibility"
	"perdure/visibility/attr"
	"perdure/visibility/query"
)

// IndexesTable lists the indexes of attributes that are ready.
const IndexesTable = "visibility_indexes"

// OwnIndex says how to build an index of one attribute. All text in it is made of the attribute's key, which needs no escape.
type OwnIndex struct {
	Name  string
	Value string // an expression
	Key   string // of the attribute in the JSON object; empty for a column
	// Behind are the columns behind the value.
	Behind string
}

// Own returns the index of an attribute, or a *query.Error where there can be none. The extract function makes the expression for a key.
func Own(index visibility.AttributeIndex, extract func(key string, t enumspb.IndexedValueType) string) (OwnIndex, error) {
	refuse := func(why string) (OwnIndex, error) {
		return OwnIndex{}, &query.Error{Message: fmt.Sprintf("index of %s for %s: %s", index.Attribute, index.Use, why)}
	}
	var own OwnIndex
	column, isColumn := columns[index.Attribute]
	switch {
	case isColumn:
		own.Value = column.name
	case index.Type == enumspb.INDEXED_VALUE_TYPE_TEXT || index.Type == enumspb.INDEXED_VALUE_TYPE_KEYWORD_LIST:
		return refuse("lists and texts are in the index over all attributes")
	default:
		own.Key = Key(index.Attribute, index.Type)
		own.Value = extract(own.Key, index.Type)
	}
	isKeyword := index.Type == enumspb.INDEXED_VALUE_TYPE_KEYWORD && index.Attribute != attr.ExecutionStatus
	switch index.Use {
	case visibility.IndexValues:
		own.Behind = ", close_key DESC, start_ns DESC, run_id DESC"
	case visibility.IndexOrder:
		own.Behind = " DESC, run_id DESC"
	case visibility.IndexInfix:
		if !isKeyword {
			return refuse("only keywords have parts")
		}
	default:
		return refuse("no such use")
	}
	own.Name = ownName(index)
	return own, nil
}

// OwnPrefix begins the names of all indexes of attributes.
const OwnPrefix = "visibility_own_"

func ownName(index visibility.AttributeIndex) string {
	h := fnv.New64a()
	fmt.Fprintf(h, "%d %s %s", index.Type, index.Use, index.Attribute)
	return fmt.Sprintf("%s%016x", OwnPrefix, h.Sum64())
}

// Literal quotes a key for a statement that takes no arguments.
func Literal(key string) string { return "'" + strings.ReplaceAll(key, "'", "''") + "'" }

// indexed are the system attributes that have what their use needs from the beginning.
var indexed = map[visibility.IndexUse]map[string]bool{
	visibility.IndexValues: {
		attr.WorkflowID: true, attr.RunID: true, attr.WorkflowType: true, attr.TaskQueue: true, attr.ExecutionStatus: true, attr.ParentWorkflowID: true,
		attr.ParentRunID: true, attr.RootWorkflowID: true, attr.RootRunID: true, attr.NamespaceDivision: true,
	},
	visibility.IndexOrder: {
		attr.StartTime: true, attr.ExecutionTime: true, attr.CloseTime: true, attr.ExecutionDuration: true, attr.HistoryLength: true, attr.HistorySizeBytes: true,
		attr.StateTransitionCount: true, attr.WorkflowID: true, attr.RunID: true, attr.WorkflowType: true, attr.TaskQueue: true, attr.ExecutionStatus: true,
	},
}

// Wanted returns the indexes that a query would use, but those that are there from the beginning.
func Wanted(q *query.Query) []visibility.AttributeIndex {
	var wanted []visibility.AttributeIndex
	add := func(field query.Field, use visibility.IndexUse) {
		isList := field.Type == enumspb.INDEXED_VALUE_TYPE_TEXT || field.Type == enumspb.INDEXED_VALUE_TYPE_KEYWORD_LIST
		if !isList && !indexed[use][field.Name] {
			wanted = append(wanted, visibility.AttributeIndex{Attribute: field.Name, Type: field.Type, Use: use})
		}
	}
	for _, x := range query.Conjuncts(q.Where) {
		wantedBy(x, add)
	}
	if len(q.OrderBy) > 0 && !q.IsGrouped() {
		add(q.OrderBy[0].Field, visibility.IndexOrder)
	}
	return wanted
}

func wantedBy(x query.Expr, add func(query.Field, visibility.IndexUse)) {
	switch x := x.(type) {
	case *query.Compare:
		if x.Op == query.Equal {
			add(x.Field, usual(x.Field))
		} else if x.Op != query.NotEqual {
			add(x.Field, visibility.IndexOrder)
		}
	case *query.In:
		if !x.Negated {
			add(x.Field, usual(x.Field))
		}
	case *query.Between:
		if !x.Negated {
			add(x.Field, visibility.IndexOrder)
		}
	case *query.StartsWith:
		if !x.Negated && !indexed[visibility.IndexValues][x.Field.Name] {
			add(x.Field, visibility.IndexValues)
		}
	case *query.Like:
		if IsInfix(x) {
			add(x.Field, visibility.IndexInfix)
		}
	}
}

// usual is the use that equality needs: the few runs of one number or time are found by its order.
func usual(field query.Field) visibility.IndexUse {
	if field.Type == enumspb.INDEXED_VALUE_TYPE_KEYWORD || field.Type == enumspb.INDEXED_VALUE_TYPE_BOOL || indexed[visibility.IndexValues][field.Name] {
		return visibility.IndexValues
	}
	return visibility.IndexOrder
}

// IsInfix tells a pattern that does not begin with a text.
func IsInfix(x *query.Like) bool {
	parts := x.Parts()
	return !x.Negated && (x.Folds() || len(parts) > 0 && parts[0].Literal == "")
}

// CountAll counts the runs of a namespace.
const CountAll = "SELECT COALESCE(CAST(sum(runs) AS bigint), 0) FROM " + CountsTable + " WHERE namespace = $1"

// Candidates returns the statement for the runs that a database must look at when it has none of the indexes of infixes: those
// that pass the rest of the filter.
func Candidates(d Dialect, namespace int64, where query.Expr, infixToo bool) (string, []any) {
	var rest query.Expr
	for _, x := range query.Conjuncts(where) {
		if like, ok := x.(*query.Like); !ok || infixToo || !IsInfix(like) {
			rest = query.And2(rest, x)
		}
	}
	s := &statement{dialect: d}
	return "SELECT 1 FROM " + Table + " WHERE namespace = " + s.bind(namespace) + " AND NOT deleted AND " + s.expr(rest), s.args
}
