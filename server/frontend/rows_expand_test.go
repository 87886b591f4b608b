package frontend_test

import (
	"encoding/base64"
	"encoding/json"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// The recorded rows write large and computed values by macros: objects with a
// single key. expander replaces them, and ${name.path} by what earlier steps left.
type expander struct {
	t    testing.TB
	vars map[string]any
}

var reference = regexp.MustCompile(`\$\{([^}]+)\}`)

// badUTF8 stands in the rows for a text that is none; it is replaced on the wire.
const badUTF8 = "%%BADUTF8%%"

func (e *expander) expand(v any) any {
	switch v := v.(type) {
	case string:
		return e.text(v)
	case []any:
		list := make([]any, len(v))
		for i, x := range v {
			list[i] = e.expand(x)
		}
		return list
	case map[string]any:
		if macro, value, ok := macroOf(v); ok {
			return e.macro(macro, value)
		}
		m := map[string]any{}
		for key, x := range v {
			m[e.text(key)] = e.expand(x)
		}
		return m
	}
	return v
}

func macroOf(v map[string]any) (name string, value any, ok bool) {
	if len(v) != 1 {
		return "", nil, false
	}
	for key, x := range v {
		name, value = key, x
	}
	return name, value, strings.HasPrefix(name, "$") && !strings.HasPrefix(name, "${")
}

func (e *expander) text(s string) string {
	return reference.ReplaceAllStringFunc(s, func(match string) string {
		value := e.look(strings.Split(match[2:len(match)-1], "."))
		require.NotNil(e.t, value, "no value for %s", match)
		return value.(string)
	})
}

func (e *expander) look(path []string) any {
	var at any = e.vars
	for _, part := range path {
		m, _ := at.(map[string]any)
		at = m[part]
	}
	return at
}

func (e *expander) macro(name string, value any) any {
	list, _ := value.([]any)
	switch name {
	case "$json":
		return jsonPayload(e.t, e.expand(value))
	case "$jsons":
		payloads := []any{}
		for _, x := range list {
			payloads = append(payloads, jsonPayload(e.t, e.expand(x)))
		}
		return map[string]any{"payloads": payloads}
	case "$repeat":
		return strings.Repeat(list[0].(string), int(list[1].(float64)))
	case "$pad":
		return e.padded(list)
	case "$blob":
		return payload("binary/plain", []byte(strings.Repeat("x", int(value.(float64)))))
	case "$list":
		items := []any{}
		for range int(list[1].(float64)) {
			items = append(items, e.expand(list[0]))
		}
		return items
	}
	require.Fail(e.t, "unknown macro", name)
	return nil
}

// padded is a text filled up to a number of bytes.
func (e *expander) padded(args []any) string {
	text, bytes, fill := e.text(args[0].(string)), int(args[1].(float64)), "x"
	if len(args) > 2 {
		fill = args[2].(string)
	}
	for len(text)+len(fill) <= bytes {
		text += fill
	}
	return text + strings.Repeat("x", bytes-len(text))
}

func jsonPayload(t testing.TB, v any) map[string]any {
	data, err := json.Marshal(v)
	require.NoError(t, err)
	return payload("json/plain", data)
}

func payload(encoding string, data []byte) map[string]any {
	return map[string]any{
		"metadata": map[string]any{"encoding": base64.StdEncoding.EncodeToString([]byte(encoding))},
		"data":     base64.StdEncoding.EncodeToString(data),
	}
}
