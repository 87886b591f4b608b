package sqlite

import (
	"database/sql/driver"
	"fmt"
	"regexp"
	"strings"
	"sync"

	enumspb "go.temporal.io/api/enums/v1"
	driverimpl "modernc.org/sqlite"

	"perdure/visibility/query"
	"perdure/visibility/sqlform"
)

// dialect is SQLite's part of the compiler.
type dialect struct{}

func (dialect) Arg(n int, _ any) string { return fmt.Sprintf("?%d", n) }

// Key is a JSON path. A key has no characters that a path or a literal would need escaped. It is no argument, since SQLite finds an
// index of an expression by its text.
func (dialect) Key(key string, _ func(any) string) string { return sqlform.Literal(`$."` + key + `"`) }

func (dialect) Extract(object, key string, _ enumspb.IndexedValueType) string {
	return "json_extract(" + object + ", " + key + ")"
}

func (dialect) IsAbsent(object, key string) string {
	return "json_type(" + object + ", " + key + ") IS NULL"
}

// AnyItem looks at the items of the runs that have some, which have an index.
func (dialect) AnyItem(kind string, _ map[string]any, test string, bind func(any) string) string {
	items := "$.\"" + sqlform.ItemsKey + "\""
	return "(json_type(attributes, '" + items + "') IS NOT NULL AND EXISTS (SELECT 1 FROM (SELECT value AS item FROM json_each(attributes, " +
		bind(items+"."+kind) + ")) WHERE " + test + "))"
}

func (d dialect) HasAny(key string, t enumspb.IndexedValueType, values []any, bind func(any) string) string {
	path := d.Key(key, bind)
	args := make([]string, len(values))
	for i, value := range values {
		args[i] = bind(value)
	}
	in := " IN (" + strings.Join(args, ", ") + ")"
	if t == enumspb.INDEXED_VALUE_TYPE_KEYWORD_LIST || t == enumspb.INDEXED_VALUE_TYPE_TEXT {
		return d.AnyElement(path, func(element string) string { return element + in })
	}
	return d.Extract("attributes", path, t) + in
}

func (dialect) AnyElement(key string, test func(element string) string) string {
	return "EXISTS (SELECT 1 FROM json_each(attributes, " + key + ") WHERE " + test("value") + ")"
}

func (dialect) Least(key string) string {
	return "(SELECT min(value) FROM json_each(attributes, " + key + "))"
}

// Phrase looks for the words in the text of the list, where each has quotes around it.
func (d dialect) Phrase(key string, words []string, bind func(any) string) string {
	return "instr(json_extract(attributes, " + d.Key(key, bind) + "), " + bind(`"`+strings.Join(words, `","`)+`"`) + ") > 0"
}

var (
	globEscapes = strings.NewReplacer("*", "[*]", "?", "[?]", "[", "[[]")
	likeEscapes = strings.NewReplacer(`\`, `\\`, `%`, `\%`, `_`, `\_`)
)

func (dialect) Fits(text string, p sqlform.Pattern, bind func(any) string) string {
	if !p.Folds {
		if glob, ok := p.Like("*", globEscapes.Replace); ok {
			return text + " GLOB " + bind(glob)
		}
	} else if like, ok := p.Like("%", likeEscapes.Replace); ok {
		return text + " LIKE " + bind(like) + ` ESCAPE '\'`
	}
	if p.Folds {
		text = "lower(" + text + ")"
	}
	return fits + "(" + text + ", " + bind("(?s)"+p.Regexp()) + ")"
}

func (dialect) TimeKey(nanos string) string {
	isNegative := "(" + nanos + " % 1000000000 < 0)"
	return "iif(" + nanos + " IS NULL, NULL, printf('%012d%09d', " + nanos + " / 1000000000 + 62300000000 - " + isNegative + ", " + nanos + " % 1000000000 + 1000000000 * " + isNegative + "))"
}

func (dialect) Covers(string) bool { return false }

func (dialect) Total(column string) string { return "COALESCE(sum(" + column + "), 0)" }

// Aggregate leaves sums and percentiles to the evaluator: SQLite's sum fails where an integer does not hold it.
func (dialect) Aggregate(query.Aggregate, string) ([]string, bool) { return nil, false }

// fits is a function of our own: whether a text matches a regular expression.
const fits = "perdure_fits"

func init() {
	driverimpl.MustRegisterDeterministicScalarFunction(fits, 2, func(_ *driverimpl.FunctionContext, args []driver.Value) (driver.Value, error) {
		text, ok := args[0].(string)
		pattern, _ := args[1].(string)
		if !ok {
			return nil, nil
		}
		expression, err := expressions.compile(pattern)
		if err != nil {
			return nil, err
		}
		return expression.MatchString(text), nil
	})
}

// expressionsKept is how many compiled patterns are remembered: one for each query that runs, and some.
const expressionsKept = 64

var expressions expressionCache

type expressionCache struct {
	mu       sync.Mutex
	compiled map[string]*regexp.Regexp
}

func (c *expressionCache) compile(pattern string) (*regexp.Regexp, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if known := c.compiled[pattern]; known != nil {
		return known, nil
	}
	expression, err := regexp.Compile(pattern)
	if err != nil {
		return nil, err
	}
	if len(c.compiled) >= expressionsKept || c.compiled == nil {
		c.compiled = map[string]*regexp.Regexp{}
	}
	c.compiled[pattern] = expression
	return expression, nil
}
