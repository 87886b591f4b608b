package attr_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	"pgregory.net/rapid"

	"perdure/visibility/attr"
)

// custom are the attributes of the namespace in testdata/start.jsonl.
var custom = attr.Types{
	"V1": enumspb.INDEXED_VALUE_TYPE_TEXT, "V2": enumspb.INDEXED_VALUE_TYPE_KEYWORD,
	"V3": enumspb.INDEXED_VALUE_TYPE_INT, "V4": enumspb.INDEXED_VALUE_TYPE_DOUBLE,
	"V5": enumspb.INDEXED_VALUE_TYPE_BOOL, "V6": enumspb.INDEXED_VALUE_TYPE_DATETIME,
	"V7": enumspb.INDEXED_VALUE_TYPE_KEYWORD_LIST, "Sec": enumspb.INDEXED_VALUE_TYPE_KEYWORD,
}

type givenPayload struct {
	Data     string  `json:"data"`
	Type     string  `json:"type"`
	Encoding *string `json:"encoding"`
}

func (g givenPayload) payload() *commonpb.Payload {
	encoding := "json/plain"
	if g.Encoding != nil {
		encoding = *g.Encoding
	}
	metadata := map[string][]byte{"encoding": []byte(encoding)}
	if g.Type != "" {
		metadata["type"] = []byte(g.Type)
	}
	return &commonpb.Payload{Metadata: metadata, Data: []byte(g.Data)}
}

func attributes(given map[string]givenPayload) *commonpb.SearchAttributes {
	sa := &commonpb.SearchAttributes{IndexedFields: map[string]*commonpb.Payload{}}
	for name, g := range given {
		sa.IndexedFields[name] = g.payload()
	}
	return sa
}

// readLines decodes the JSON lines of a file of testdata.
func readLines[T any](t *testing.T, name string) []T {
	t.Helper()
	f, err := os.Open("testdata/" + name)
	require.NoError(t, err)
	defer f.Close()
	scanner := bufio.NewScanner(f)
	scanner.Buffer(nil, 1<<20)
	var lines []T
	for scanner.Scan() {
		var line T
		require.NoError(t, json.Unmarshal(scanner.Bytes(), &line))
		lines = append(lines, line)
	}
	require.NoError(t, scanner.Err())
	require.NotEmpty(t, lines)
	return lines
}

// TestStart gives values as clients do and compares the answer, and what a
// list shows afterwards, with recorded ones. A number beyond 2^53 is the one
// difference: it is shown exactly here.
func TestStart(t *testing.T) {
	type line struct {
		Attributes map[string]givenPayload `json:"attributes"`
		Listed     map[string]givenPayload `json:"listed"`
		Error      string                  `json:"error"`
	}
	for i, l := range readLines[line](t, "start.jsonl") {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			sa := attributes(l.Attributes)
			err := attr.Validate("shop", custom, sa)
			if l.Error != "" {
				require.EqualError(t, err, l.Error)
				return
			}
			require.NoError(t, err)
			shown := attr.Canonical(custom, sa).GetIndexedFields()
			require.Len(t, shown, len(l.Listed))
			for name, want := range l.Listed {
				if want.Data == "9223372036854776000" {
					want.Data = "9223372036854775807"
				}
				require.Equal(t, want.Data, string(shown[name].GetData()))
				require.Equal(t, want.Type, string(shown[name].GetMetadata()["type"]))
			}
		})
	}
}

// TestAdmin replays recorded additions and removals in order. The one answer
// that depends on preallocated column names is left out: there are none here.
func TestAdmin(t *testing.T) {
	type line struct {
		RPC     string                              `json:"rpc"`
		Request json.RawMessage                     `json:"request"`
		Error   string                              `json:"error"`
		After   map[string]enumspb.IndexedValueType `json:"after"`
	}
	types := attr.Types{}
	for i, l := range readLines[line](t, "admin.jsonl") {
		var after attr.Types
		var err error
		if l.RPC == "Add" {
			after, err = attr.Add(types, addition(t, l.Request))
		} else {
			var names []string
			require.NoError(t, json.Unmarshal(l.Request, &names))
			after, err = attr.Remove(types, names)
		}
		switch {
		case isSlotError(l.Error):
			require.NoError(t, err, "line %d: there are no slots here", i)
		case l.Error != "":
			require.EqualError(t, err, l.Error, "line %d", i)
		default:
			require.NoError(t, err, "line %d", i)
			types = after
		}
		require.Equal(t, attr.Types(l.After), types, "line %d", i)
	}
}

// isSlotError tells answers of a server whose attributes of a type are counted.
func isSlotError(text string) bool {
	return strings.Contains(text, "cannot have more than ") && !strings.Contains(text, "cannot have more than 0 ")
}

func addition(t *testing.T, request json.RawMessage) attr.Types {
	var raw map[string]any
	require.NoError(t, json.Unmarshal(request, &raw))
	types := attr.Types{}
	for name, v := range raw {
		switch v := v.(type) {
		case string:
			valueType, err := enumspb.IndexedValueTypeFromString(v)
			require.NoError(t, err)
			types[name] = valueType
		case float64:
			types[name] = enumspb.IndexedValueType(v)
		}
	}
	return types
}

func TestValidateLimits(t *testing.T) {
	many := &commonpb.SearchAttributes{IndexedFields: map[string]*commonpb.Payload{}}
	types := attr.Types{}
	for i := range 101 {
		name := fmt.Sprintf("K%03d", i)
		types[name] = enumspb.INDEXED_VALUE_TYPE_KEYWORD
		many.IndexedFields[name] = attr.Encode("v", enumspb.INDEXED_VALUE_TYPE_KEYWORD)
	}
	require.EqualError(t, attr.Validate("shop", types, many), "number of search attributes 101 exceeds limit 100")

	delete(many.IndexedFields, "K000")
	require.NoError(t, attr.Validate("shop", types, many))
	for i := 1; i <= 20; i++ {
		many.IndexedFields[fmt.Sprintf("K%03d", i)] = attr.Encode(strings.Repeat("x", 2040), enumspb.INDEXED_VALUE_TYPE_KEYWORD)
	}
	require.EqualError(t, attr.Validate("shop", types, many), "total size of search attributes 41480 exceeds size limit 40960")
}

func TestValidateUnknownIsTyped(t *testing.T) {
	sa := attributes(map[string]givenPayload{"Nope": {Data: "1"}})
	var undefined *attr.UndefinedError
	require.ErrorAs(t, attr.Validate("shop", custom, sa), &undefined)
	require.Equal(t, "Nope", undefined.Name)
	require.EqualError(t, undefined, "Namespace shop has no mapping defined for search attribute Nope")
}

func TestMerge(t *testing.T) {
	current := attributes(map[string]givenPayload{"A": {Data: `1`}, "B": {Data: `"b"`}, "C": {Data: `["c"]`}})
	null, empty := "binary/null", " [ ] "
	upsert := attributes(map[string]givenPayload{"A": {Data: `2`}, "B": {Encoding: &null}, "C": {Data: empty}, "D": {Data: `null`}, "E": {Data: `"e"`}})
	merged := attr.Merge(current, upsert).GetIndexedFields()
	require.Len(t, merged, 2)
	require.Equal(t, `2`, string(merged["A"].GetData()))
	require.Equal(t, `"e"`, string(merged["E"].GetData()))
	require.Len(t, current.GetIndexedFields(), 3)
	require.Nil(t, attr.Merge(nil, nil))
	require.Nil(t, attr.Merge(nil, attributes(map[string]givenPayload{"A": {Data: "[]"}})))
}

// TestEncodeDecode checks that a value survives its payload.
func TestEncodeDecode(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		valueType, value := drawValue(t)
		decoded, err := attr.Decode(attr.Encode(value, valueType), valueType)
		require.NoError(t, err)
		require.Equal(t, value, decoded)
		sa := &commonpb.SearchAttributes{IndexedFields: map[string]*commonpb.Payload{"X": attr.Encode(value, valueType)}}
		require.Equal(t, map[string]attr.Value{"X": {Type: valueType, Value: value}}, attr.Values(sa))
	})
}

func drawValue(t *rapid.T) (enumspb.IndexedValueType, any) {
	switch rapid.IntRange(1, 7).Draw(t, "type") {
	case 1:
		return enumspb.INDEXED_VALUE_TYPE_TEXT, rapid.String().Draw(t, "text")
	case 2:
		return enumspb.INDEXED_VALUE_TYPE_KEYWORD, rapid.String().Draw(t, "keyword")
	case 3:
		return enumspb.INDEXED_VALUE_TYPE_INT, rapid.Int64().Draw(t, "int")
	case 4:
		return enumspb.INDEXED_VALUE_TYPE_DOUBLE, rapid.Float64Range(-1e300, 1e300).Draw(t, "double")
	case 5:
		return enumspb.INDEXED_VALUE_TYPE_BOOL, rapid.Bool().Draw(t, "bool")
	case 6:
		return enumspb.INDEXED_VALUE_TYPE_DATETIME, time.Unix(rapid.Int64Range(-1e9, 1e10).Draw(t, "seconds"), rapid.Int64Range(0, 999999999).Draw(t, "nanos")).UTC()
	default:
		return enumspb.INDEXED_VALUE_TYPE_KEYWORD_LIST, rapid.SliceOfN(rapid.String(), 1, 5).Draw(t, "list")
	}
}

func TestWords(t *testing.T) {
	for text, want := range map[string]string{
		"Hello, World!":                "hello world",
		"foo.bar@example.com":          "foo bar example com",
		"CAFÉ naïve e\u0301t\u00e9":    "cafe naive ete",
		"x-ray 3.14 under_score x-ray": "x ray 3 14 under score",
		"日本語 テキスト":                     "日本語 テキスト",
		"% * _":                        "",
	} {
		require.Equal(t, want, strings.Join(attr.Words(text), " "), text)
	}
}

func TestNames(t *testing.T) {
	require.True(t, attr.IsSystem("WorkflowId"))
	require.False(t, attr.IsSystem("BuildIds"))
	for _, name := range []string{"WorkflowId", "BuildIds", "Memo", "TemporalAnything", "Temporal"} {
		require.True(t, attr.IsReserved(name), name)
	}
	for _, name := range []string{"temporalFoo", "ScheduleId", "workflowid", ""} {
		require.False(t, attr.IsReserved(name), name)
	}
	require.Len(t, attr.System(), 16)
	require.Len(t, attr.Predefined(), 17)
	require.Len(t, attr.NonCustom(), 33)
	attr.System()["Extra"] = enumspb.INDEXED_VALUE_TYPE_INT
	require.False(t, attr.IsSystem("Extra"))
}
