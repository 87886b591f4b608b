package search

import (
	"bufio"
	"encoding/json"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/operatorservice/v1"
	"go.temporal.io/api/workflowservice/v1"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"perdure/visibility/attr"
	"perdure/visibility/visibilitytest"
)

// recordedPayload is a value as it was sent or shown.
type recordedPayload struct {
	Data     string  `json:"data"`
	Type     string  `json:"type"`
	Encoding *string `json:"encoding"`
}

func (p recordedPayload) payload() *commonpb.Payload {
	metadata := map[string][]byte{"encoding": []byte("json/plain")}
	if p.Encoding != nil {
		metadata["encoding"] = []byte(*p.Encoding)
	}
	if p.Type != "" {
		metadata["type"] = []byte(p.Type)
	}
	return &commonpb.Payload{Metadata: metadata, Data: []byte(p.Data)}
}

func searchAttributes(values map[string]recordedPayload) *commonpb.SearchAttributes {
	sa := &commonpb.SearchAttributes{IndexedFields: map[string]*commonpb.Payload{}}
	for name, value := range values {
		sa.IndexedFields[name] = value.payload()
	}
	return sa
}

// recordedCall is a line of admin.jsonl: what was asked, and what the reference answered.
type recordedCall struct {
	N          int
	Section    string
	RPC        string
	Namespace  string
	WorkflowID string `json:"workflow_id"`
	Query      string
	Request    struct {
		Namespace        string
		SearchAttributes json.RawMessage
	}
	SearchAttributes map[string]json.RawMessage `json:"search_attributes"`
	Response         struct {
		CustomAttributes, SystemAttributes, Keys map[string]string
	}
	Error  *struct{ Code, Message string }
	Custom map[string]enumspb.IndexedValueType `json:"custom_after"`
	Listed map[string]recordedPayload
	Rows   []json.RawMessage

	List, Describe map[string]recordedPayload // of the run keep
}

// namespace of a call; the second story was recorded before its namespaces were written down.
func (c *recordedCall) namespace() string {
	switch {
	case c.Namespace != "":
		return c.Namespace
	case c.Request.Namespace != "" || c.Section == "list" || c.Section == "add" || c.Section == "remove":
		return c.Request.Namespace
	}
	return "val2"
}

func recordedCalls(t *testing.T) []*recordedCall {
	t.Helper()
	var calls []*recordedCall
	eachLine(t, "testdata/admin.jsonl", func(line []byte) {
		call := &recordedCall{}
		require.NoError(t, json.Unmarshal(line, call), string(line))
		calls = append(calls, call)
	})
	return calls
}

func eachLine(t *testing.T, path string, f func(line []byte)) {
	t.Helper()
	file, err := os.Open(path)
	require.NoError(t, err)
	defer file.Close()
	lines := bufio.NewScanner(file)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		f(lines.Bytes())
	}
	require.NoError(t, lines.Err())
}

// story replays the calls on a server.
type story struct {
	*site
	t        *testing.T
	played   int
	departed map[string]int // answers that differ from recorded ones on purpose, by the reason
}

// Why an answer differs from the recorded one.
const (
	noSlots     = "attributes of a type are not counted"
	noColumns   = "there are no columns with names of their own"
	exact       = "a number beyond 2^53 is shown as it was given"
	namesIt     = "the words of the newer version, and the place of the mistake"
	keepsItsOwn = "a new attribute shows no value of a removed one"
)

// TestAttributesAsRecorded replays, on each store, all that was recorded of search attributes: their administration,
// values that runs start with, and what becomes of values when a name goes and another comes.
func TestAttributesAsRecorded(t *testing.T) {
	for _, name := range storeNames {
		t.Run(name, func(t *testing.T) {
			s := &story{site: open(t, settings(map[string]string{"only": storeURL(t, name)}, "")), t: t, departed: map[string]int{}}
			for _, namespace := range []string{"adm2", "val2", "reuse2"} {
				s.register(namespace)
			}
			s.define("default", visibilitytest.CorpusTypes())
			s.define("temporal-system", attr.Types{"X": enumspb.INDEXED_VALUE_TYPE_KEYWORD}) // as it was when the recording began
			for _, call := range recordedCalls(t) {
				s.play(call)
			}
			require.Equal(t, 324, s.played)
			require.Equal(t, map[string]int{noSlots: 15, noColumns: 7, exact: 1, namesIt: 2, keepsItsOwn: 3}, s.departed)
		})
	}
}

func (s *story) play(c *recordedCall) {
	s.played++
	switch c.RPC {
	case "ListSearchAttributes":
		s.listAttributes(c)
	case "GetSearchAttributes":
		got, err := s.GetSearchAttributes(s.t.Context(), &workflowservice.GetSearchAttributesRequest{})
		require.NoError(s.t, err)
		require.Equal(s.t, s.withoutColumns(c.Response.Keys), typeNames(got.Keys))
	case "DescribeNamespace (config only)":
		got, err := s.DescribeNamespace(s.t.Context(), &workflowservice.DescribeNamespaceRequest{Namespace: c.namespace()})
		require.NoError(s.t, err)
		require.Empty(s.t, got.Config.CustomSearchAttributeAliases)
		s.departed[noColumns]++
	case "AddSearchAttributes":
		s.add(c)
	case "RemoveSearchAttributes":
		s.remove(c)
	case "StartWorkflowExecution":
		s.start(c)
	case "ListWorkflowExecutions":
		s.list(c)
	case "DescribeWorkflowExecution":
		s.described(c, "keep", payloads(s.t, c.SearchAttributes))
	case "search attributes of 'keep'":
		s.described(c, "keep", c.Describe)
		require.Equal(s.t, texts(c.List), s.shown(c.namespace(), "keep"), c.N)
	default:
		require.Fail(s.t, "no such call", c.RPC)
	}
}

// refused compares an error with the recorded one, and tells whether there is any.
func (s *story) refused(c *recordedCall, err error) bool {
	s.t.Helper()
	if c.Error == nil {
		require.NoError(s.t, err, "call %d", c.N)
		return false
	}
	require.Error(s.t, err, "call %d", c.N)
	if c.RPC == "ListWorkflowExecutions" { // the words of the newer version were recorded, too
		name, _, _ := strings.Cut(c.Query, " ")
		require.Regexp(s.t, "^invalid query: invalid search attribute: "+name+` \(byte 1.*\)$`, status.Convert(err).Message())
		s.departed[namesIt]++
		return true
	}
	require.Equal(s.t, c.Error.Message, status.Convert(err).Message(), "call %d", c.N)
	require.Equal(s.t, c.Error.Code, strings.ToUpper(strings.Join(strings.Fields(wordBreak.ReplaceAllString(status.Code(err).String(), " $1")), "_")))
	return true
}

var wordBreak = regexp.MustCompile(`([A-Z])`)

// columns are names that servers with columns for search attributes have.
var columns = regexp.MustCompile(`^(Int|Keyword|Text|Double|Bool|Datetime|KeywordList)\d\d$`)

func (s *story) withoutColumns(types map[string]string) map[string]string {
	rest := maps.Clone(types)
	maps.DeleteFunc(rest, func(name, _ string) bool { return columns.MatchString(name) })
	if len(rest) < len(types) {
		s.departed[noColumns]++
	}
	return rest
}

func typeNames(types map[string]enumspb.IndexedValueType) map[string]string {
	names := map[string]string{}
	for name, valueType := range types {
		names[name] = "INDEXED_VALUE_TYPE_" + strings.ToUpper(strings.Join(strings.Fields(wordBreak.ReplaceAllString(valueType.String(), " $1")), "_"))
	}
	return names
}

func (s *story) listAttributes(c *recordedCall) {
	got, err := s.operator.ListSearchAttributes(s.t.Context(), &operatorservice.ListSearchAttributesRequest{Namespace: c.namespace()})
	if s.refused(c, err) {
		return
	}
	custom := c.Response.CustomAttributes
	if custom == nil {
		custom = map[string]string{}
	}
	require.Equal(s.t, custom, typeNames(got.CustomAttributes), "call %d", c.N)
	require.Equal(s.t, s.withoutColumns(c.Response.SystemAttributes), typeNames(got.SystemAttributes), "call %d", c.N)
}

func (s *story) add(c *recordedCall) {
	given := map[string]any{}
	if c.Request.SearchAttributes != nil {
		require.NoError(s.t, json.Unmarshal(c.Request.SearchAttributes, &given))
	}
	for name, text := range c.SearchAttributes {
		var number float64
		require.NoError(s.t, json.Unmarshal(text, &number))
		given[name] = number
	}
	types := map[string]enumspb.IndexedValueType{}
	for name, v := range given {
		switch v := v.(type) {
		case string:
			valueType, err := enumspb.IndexedValueTypeFromString(v)
			require.NoError(s.t, err)
			types[name] = valueType
		case float64:
			types[name] = enumspb.IndexedValueType(v)
		}
	}
	_, err := s.operator.AddSearchAttributes(s.t.Context(), &operatorservice.AddSearchAttributesRequest{Namespace: c.namespace(), SearchAttributes: types})
	if c.Error != nil && slots.MatchString(c.Error.Message) {
		require.NoError(s.t, err, "call %d", c.N)
		s.departed[noSlots]++
		_, err = s.operator.RemoveSearchAttributes(s.t.Context(), &operatorservice.RemoveSearchAttributesRequest{
			Namespace: c.namespace(), SearchAttributes: slices.Collect(maps.Keys(types)), // so that the story goes on as it did
		})
		require.NoError(s.t, err)
	} else {
		s.refused(c, err)
	}
	s.after(c)
}

// slots are words of a server that counts attributes of a type; it allows none of unknown types, and so do we.
var slots = regexp.MustCompile(`cannot have more than [1-9]\d* search attribute`)

func (s *story) remove(c *recordedCall) {
	var names []string
	if c.Request.SearchAttributes != nil {
		require.NoError(s.t, json.Unmarshal(c.Request.SearchAttributes, &names))
	}
	_, err := s.operator.RemoveSearchAttributes(s.t.Context(), &operatorservice.RemoveSearchAttributesRequest{Namespace: c.namespace(), SearchAttributes: names})
	if len(names) == 1 && columns.MatchString(names[0]) {
		require.NoError(s.t, err, "as for every name that nobody has")
		s.departed[noColumns]++
	} else {
		s.refused(c, err)
	}
	s.after(c)
}

// after compares the attributes of the namespace with what was recorded after a change.
func (s *story) after(c *recordedCall) {
	if c.Custom == nil {
		return
	}
	got, err := s.operator.ListSearchAttributes(s.t.Context(), &operatorservice.ListSearchAttributesRequest{Namespace: c.namespace()})
	require.NoError(s.t, err)
	if got.CustomAttributes == nil {
		got.CustomAttributes = map[string]enumspb.IndexedValueType{}
	}
	require.Equal(s.t, c.Custom, got.CustomAttributes, "call %d", c.N)
}

func (s *story) start(c *recordedCall) {
	r := startOf(c.namespace(), c.WorkflowID)
	r.SearchAttributes = searchAttributes(payloads(s.t, c.SearchAttributes))
	_, err := s.StartWorkflowExecution(s.t.Context(), r)
	if s.refused(c, err) || c.Listed == nil {
		return
	}
	require.Equal(s.t, s.exactly(texts(c.Listed)), s.shown(c.namespace(), c.WorkflowID), "call %d", c.N)
}

// exactly takes the one number back that the reference rounds.
func (s *story) exactly(values map[string]string) map[string]string {
	for name, text := range values {
		if strings.HasPrefix(text, "9223372036854776000 ") {
			values[name] = "9223372036854775807 Int"
			s.departed[exact]++
		}
	}
	return values
}

// payloads reads values: as payloads, or what was written down in short as a value alone.
func payloads(t *testing.T, values map[string]json.RawMessage) map[string]recordedPayload {
	read := map[string]recordedPayload{}
	for name, text := range values {
		var value recordedPayload
		if text[0] == '"' {
			value.Data = string(text)
		} else {
			require.NoError(t, json.Unmarshal(text, &value))
		}
		read[name] = value
	}
	return read
}

func texts(values map[string]recordedPayload) map[string]string {
	written := map[string]string{}
	for name, value := range values {
		written[name] = value.Data + " " + value.Type
	}
	return written
}

func valuesOf(sa *commonpb.SearchAttributes) map[string]string {
	written := map[string]string{}
	for name, p := range sa.GetIndexedFields() {
		written[name] = string(p.Data) + " " + string(p.Metadata["type"])
	}
	return written
}

// anyDivision also finds what lists leave out unless they are asked for it.
const anyDivision = " AND (TemporalNamespaceDivision IS NULL OR TemporalNamespaceDivision IS NOT NULL)"

// shown are the attributes that the list shows of a run.
func (s *story) shown(namespace, id string) map[string]string {
	s.t.Helper()
	got, err := s.ListWorkflowExecutions(fresh(s.t.Context()), &workflowservice.ListWorkflowExecutionsRequest{Namespace: namespace, Query: "WorkflowId = '" + id + "'" + anyDivision})
	require.NoError(s.t, err)
	require.Len(s.t, got.Executions, 1, id)
	return valuesOf(got.Executions[0].SearchAttributes)
}

// described compares the description of a run; a value that was kept of another attribute is not there.
func (s *story) described(c *recordedCall, id string, values map[string]recordedPayload) {
	got, err := s.DescribeWorkflowExecution(s.t.Context(), &workflowservice.DescribeWorkflowExecutionRequest{Namespace: c.namespace(), Execution: &commonpb.WorkflowExecution{WorkflowId: id}})
	require.NoError(s.t, err)
	require.Equal(s.t, s.ofItsOwn(c, texts(values)), valuesOf(got.WorkflowExecutionInfo.SearchAttributes), "call %d", c.N)
}

// ofItsOwn leaves out what the reference shows under the name New: a value of the attribute that had its column before.
func (s *story) ofItsOwn(c *recordedCall, values map[string]string) map[string]string {
	if _, kept := values["New"]; kept && c.Namespace == "reuse2" {
		delete(values, "New")
		s.departed[keepsItsOwn]++
	}
	return values
}

func (s *story) list(c *recordedCall) {
	got, err := s.ListWorkflowExecutions(fresh(s.t.Context()), &workflowservice.ListWorkflowExecutionsRequest{Namespace: c.namespace(), Query: c.Query})
	if s.refused(c, err) {
		return
	}
	if c.Query == "New = 'kept'" {
		require.Empty(s.t, got.Executions)
		s.departed[keepsItsOwn]++
		return
	}
	require.Len(s.t, got.Executions, len(c.Rows), "call %d", c.N)
	for i, row := range c.Rows {
		var id string
		values := map[string]recordedPayload{}
		if row[0] == '"' {
			require.NoError(s.t, json.Unmarshal(row, &id))
		} else {
			require.NoError(s.t, json.Unmarshal(row, &[]any{&id, &values}))
			require.Equal(s.t, s.ofItsOwn(c, texts(values)), valuesOf(got.Executions[i].SearchAttributes), "call %d", c.N)
		}
		require.Equal(s.t, id, got.Executions[i].Execution.WorkflowId, "call %d", c.N)
	}
}

// TestRefusalsAsRecorded asks each store what the reference refuses, and what no store of this server takes.
func TestRefusalsAsRecorded(t *testing.T) {
	for _, name := range storeNames {
		t.Run(name, func(t *testing.T) {
			s := open(t, settings(map[string]string{"only": storeURL(t, name)}, ""))
			s.define("default", visibilitytest.CorpusTypes())
			asked := 0
			eachLine(t, "../../visibility/query/testdata/invalid.jsonl", func(line []byte) {
				var refused struct{ Query, Error string }
				require.NoError(t, json.Unmarshal(line, &refused))
				_, err := s.ListWorkflowExecutions(t.Context(), &workflowservice.ListWorkflowExecutionsRequest{Namespace: "default", Query: refused.Query})
				require.Equal(t, codes.InvalidArgument, status.Code(err), "%s: %v", refused.Query, err)
				require.True(t, strings.HasPrefix(status.Convert(err).Message(), refused.Error), "%s: %v", refused.Query, err)
				asked++
			})
			require.Equal(t, 574, asked)
		})
	}
}
