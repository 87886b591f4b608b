package elastic

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"perdure/visibility/query"
	"perdure/visibility/visibilitytest"
)

// compiled is a filter as it is sent.
func compiled(t require.TestingT, text string) string {
	q := visibilitytest.Checked(t, text)
	body, err := json.Marshal(inNamespace("ns", compile(q.Where)))
	require.NoError(t, err)
	return string(body)
}

func TestCompile(t *testing.T) {
	const namespace = `{"term":{"namespace_id":"ns"}}`
	const undivided = `{"exists":{"field":"division"}}`
	for text, want := range map[string]string{
		"":                  `{"bool":{"filter":[` + namespace + `],"must_not":[` + undivided + `]}}`,
		"WorkflowId = 'w'":  `{"bool":{"filter":[` + namespace + `,{"terms":{"workflow_id":["w"]}}],"must_not":[` + undivided + `]}}`,
		"WorkflowId != 'w'": `{"bool":{"filter":[` + namespace + `],"must_not":[{"terms":{"workflow_id":["w"]}},` + undivided + `]}}`,
		"CustomIntField > 5": `{"bool":{"filter":[` + namespace + `,{"range":{"terms":{"gt":"3:^custom^int^field=8000000000000005","lt":"3:^custom^int^field>"}}}],"must_not":[` +
			undivided + `]}}`,
		"CustomIntField = 5.5": `{"bool":{"filter":[` + namespace + `,{"match_none":{}}],"must_not":[` + undivided + `]}}`,
		"env = 'a' OR NOT (env = 'b' AND WorkflowId = 'w')": `{"bool":{"filter":[` + namespace + `],"must_not":[` + undivided + `],"minimum_should_match":1,"should":[
			{"terms":{"terms":["2:env=a"]}},{"bool":{"must_not":[{"terms":{"terms":["2:env=b"]}}]}},{"bool":{"must_not":[{"terms":{"workflow_id":["w"]}}]}}]}}`,
	} {
		require.JSONEq(t, want, compiled(t, text), text)
	}
}

// depthOf counts bool queries inside one another.
func depthOf(v any) int {
	deepest := 0
	switch v := v.(type) {
	case map[string]any:
		for name, inner := range v {
			depth := depthOf(inner)
			if name == "bool" {
				depth++
			}
			deepest = max(deepest, depth)
		}
	case []any:
		for _, inner := range v {
			deepest = max(deepest, depthOf(inner))
		}
	}
	return deepest
}

// boolDepthMax is what the server allows.
const boolDepthMax = 30

// TestDeepFiltersStayShallow nests as deep as the parser allows, with AND and OR in turns.
func TestDeepFiltersStayShallow(t *testing.T) {
	text := "env = 'a'"
	for i := range 20 {
		word := []string{" AND ", " OR NOT "}[i%2]
		text = "env = 'x'" + word + "(" + text + ")"
	}
	var parsed any
	require.NoError(t, json.Unmarshal([]byte(compiled(t, text)), &parsed))
	require.Less(t, depthOf(parsed), boolDepthMax)
}

func TestDrawnFiltersCompileToJSON(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		q := &query.Query{Where: visibilitytest.DrawExpr(t, 5)}
		require.NoError(t, query.CheckWith(q, visibilitytest.CorpusOptions()))
		text, err := json.Marshal(inNamespace("ns", compile(q.Where)))
		require.NoError(t, err)
		require.True(t, json.Valid(text))
	})
}

// ourNames are all names that a compiled filter may have: whatever is outside of them came from a user.
func ourNames() map[string]bool {
	names := map[string]bool{}
	for _, name := range strings.Fields(`bool filter must_not should minimum_should_match term terms range exists field prefix value
		match_all match_none gt gte lt lte wildcard case_insensitive match_phrase`) {
		names[name] = true
	}
	for name := range mapping(true)["properties"].(object) {
		names[name] = true
	}
	return names
}

// eachName visits the names of JSON objects.
func eachName(v any, f func(string)) {
	switch v := v.(type) {
	case map[string]any:
		for name, inner := range v {
			f(name)
			eachName(inner, f)
		}
	case []any:
		for _, inner := range v {
			eachName(inner, f)
		}
	}
}

// FuzzCompile: whatever passes the check compiles to JSON, and what users wrote is never more than a value in it.
func FuzzCompile(f *testing.F) {
	for i, text := range visibilitytest.CorpusQueries() {
		if i%10 == 0 {
			f.Add(text)
		}
	}
	f.Add(`env = '"}},{"match_all":{}}'`)
	f.Add("`a\"b` IS NULL")
	names := ourNames()
	f.Fuzz(func(t *testing.T, text string) {
		q, err := query.Parse(text)
		if err != nil || query.CheckWith(q, visibilitytest.CorpusOptions()) != nil {
			return
		}
		body, err := json.Marshal(inNamespace("ns", compile(q.Where)))
		require.NoError(t, err)
		var parsed any
		require.NoError(t, json.Unmarshal(body, &parsed), text)
		eachName(parsed, func(name string) { require.True(t, names[name], "%q in %s", name, text) })
	})
}
