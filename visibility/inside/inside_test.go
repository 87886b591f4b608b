package inside_test

import (
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
	commonpb "go.temporal.io/api/common/v1"

	"perdure/visibility/attr"
	"perdure/visibility/inside"
)

func payload(encoding, data string) *commonpb.Payload {
	return &commonpb.Payload{Metadata: map[string][]byte{"encoding": []byte(encoding)}, Data: []byte(data)}
}

func text(l inside.Look, payloads ...*commonpb.Payload) string {
	return l.Text(&commonpb.Payloads{Payloads: payloads})
}

func TestTextIsWhatPayloadsSay(t *testing.T) {
	var l inside.Look
	require.Equal(t, "order 42 items bolt nut paid true 1.50", text(l, payload("json/plain", `{"order": 42, "items": ["bolt", "nut", null], "paid": true}`), payload("json/plain", "1.50")))
	require.Equal(t, "plain words", text(l, payload("text/plain", "plain words")))
	require.Empty(t, text(l))
	require.Empty(t, text(l, payload("json/plain", `{"broken": word}`)))
	require.Empty(t, text(l, payload("json/plain", "\"\xff\"")))
	require.Empty(t, text(l, payload("text/plain", "\xff")))
}

// Nothing of an encoding that is not known to be readable is taken, whatever its bytes look like.
func TestNothingOfAnUnknownEncodingIsTaken(t *testing.T) {
	var l inside.Look
	for _, encoding := range []string{"", "binary/encrypted", "binary/plain", "binary/null", "binary/protobuf", "json/protobuf", "json/encrypted", "JSON/PLAIN", "text/plain; charset=x"} {
		p := payload(encoding, `{"secret": "word"}`)
		require.Empty(t, text(l, p), encoding)
		require.Empty(t, l.Fields(&commonpb.Memo{Fields: map[string]*commonpb.Payload{"m": p}}), encoding)
	}
}

func TestTextIsBounded(t *testing.T) {
	var l inside.Look
	at := strings.Repeat("x", inside.BytesMax)
	require.Equal(t, at, text(l, payload("json/plain", `"`+at+`"`)))
	require.Equal(t, at, text(l, payload("json/plain", `"`+at+`y"`)))
	require.Equal(t, at, text(l, payload("text/plain", at+"y")))
	require.Equal(t, at, text(l, payload("json/plain", `"`+at+`"`), payload("text/plain", "more")))
	cut := text(l, payload("text/plain", at[1:]+"é"))
	require.True(t, utf8.ValidString(cut))
	require.Equal(t, at[1:], cut)
}

func TestWhatIsRedactedIsNotFound(t *testing.T) {
	l := inside.Look{Redact: []*regexp.Regexp{regexp.MustCompile(`\b\d{4}-\d{4}\b`), regexp.MustCompile(`password \S+`)}}
	require.Equal(t, "card [redacted] [redacted] ok", text(l, payload("json/plain", `{"card": "1234-5678", "password": "hunter2"}`), payload("text/plain", "ok")))
	// What is left out goes before the text is cut: no part of it stays at the end.
	before := strings.Repeat("x", inside.BytesMax-6)
	require.NotContains(t, text(l, payload("json/plain", `["`+before+`", "1234-5678"]`)), "1234")
	fields := l.Fields(&commonpb.Memo{Fields: map[string]*commonpb.Payload{"card": payload("json/plain", `"1234-5678"`)}})
	require.Equal(t, []inside.Field{{Name: "card", Value: inside.Redacted}}, fields)
}

func TestFieldsOfAMemo(t *testing.T) {
	var l inside.Look
	memo := &commonpb.Memo{Fields: map[string]*commonpb.Payload{
		"customer": payload("json/plain", `{"name": "Ada", "tags": ["a", "b"], "address": {"city": "Rome"}}`),
		"amount":   payload("json/plain", "42"), "none": payload("json/plain", "null"), "note": payload("text/plain", "hi"),
	}}
	require.Equal(t, []inside.Field{
		{"amount", "42"}, {"customer.address.city", "Rome"}, {"customer.name", "Ada"}, {"customer.tags", "a b"}, {"note", "hi"},
	}, l.Fields(memo))

	long := strings.Repeat("x", attr.MaxValueBytes)
	fields := func(value string, names ...string) []inside.Field {
		m := &commonpb.Memo{Fields: map[string]*commonpb.Payload{}}
		for _, name := range names {
			m.Fields[name] = payload("text/plain", value)
		}
		return l.Fields(m)
	}
	require.Equal(t, long, fields(long+"y", "a")[0].Value)
	require.Len(t, fields(long[4:], "aaaa", "bbbb", "cccc", "dddd"), 4, "8 KiB in all")
	require.Len(t, fields(long[3:], "aaaa", "bbbb", "cccc", "dddd"), 3)
}

func TestParse(t *testing.T) {
	l, err := inside.Parse("memo  signals")
	require.NoError(t, err)
	require.Equal(t, inside.Look{Memo: true, Signals: true}, l)
	require.True(t, l.Any())
	all, err := inside.Parse("all")
	require.NoError(t, err)
	require.Equal(t, inside.Look{Memo: true, Input: true, Result: true, Activities: true, Signals: true, Pending: true}, all)
	none, err := inside.Parse("")
	require.NoError(t, err)
	require.False(t, none.Any())
	_, err = inside.Parse("memo headers")
	require.EqualError(t, err, `"headers" is none of memo, input, result, activities, signals, pending, all`)
}

func FuzzText(f *testing.F) {
	f.Add("json/plain", `{"a": [1, "b", {"c": null}]}`)
	f.Add("text/plain", "\xff")
	f.Fuzz(func(t *testing.T, encoding, data string) {
		var l inside.Look
		p := payload(encoding, data)
		got := text(l, p)
		require.LessOrEqual(t, len(got), inside.BytesMax)
		require.True(t, utf8.ValidString(got))
		l.Fields(&commonpb.Memo{Fields: map[string]*commonpb.Payload{"m": p}})
	})
}
