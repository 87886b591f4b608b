package spans_test

import (
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/cockroachdb/datadriven"
	"github.com/stretchr/testify/require"
	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	historypb "go.temporal.io/api/history/v1"
	"google.golang.org/protobuf/encoding/prototext"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/timestamppb"

	"perdure/server/spans"
	"perdure/server/spanstest"
)

// TestTranscripts makes the traces of the histories in testdata. A line is the
// time since the start, the type of an event and its attributes. Rewrite with
//
//	go test ./server/spans -run TestTranscripts -rewrite
//
// and review the difference.
func TestTranscripts(t *testing.T) {
	datadriven.Walk(t, "testdata/stories", func(t *testing.T, path string) {
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			run := spans.Run{Namespace: "ns", WorkflowID: "order-42", RunID: "0199a4c2-0000-7000-8000-000000000001", Until: epoch.Add(time.Hour)}
			for _, arg := range d.CmdArgs {
				switch arg.Key {
				case "caller":
					run.Origin = spans.Origin{Context: callerContext}
				case "follows":
					run.Origin = spans.Origin{Context: callerContext, Follows: true}
				}
			}
			list := spans.Build(run, parseHistory(t, d.Input))
			spanstest.RequireTree(t, list)
			return spans.Tree(list) + details(list)
		})
	})
}

var callerContext = spans.ParseContext("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "")

func parseHistory(t *testing.T, text string) []*historypb.HistoryEvent {
	var events []*historypb.HistoryEvent
	for line := range strings.Lines(text) {
		words := strings.SplitN(strings.TrimSpace(line), " ", 3)
		after, err := time.ParseDuration(words[0])
		require.NoError(t, err)
		e := &historypb.HistoryEvent{EventId: int64(len(events)) + 1, EventTime: timestamppb.New(epoch.Add(after))}
		e.EventType, err = enumspb.EventTypeFromString(words[1])
		require.NoError(t, err)
		m := e.ProtoReflect()
		field := m.Descriptor().Fields().ByName(protoreflect.Name(snake(words[1]) + "_event_attributes"))
		require.NotNil(t, field, words[1])
		attributes := m.NewField(field)
		rest := ""
		if len(words) > 2 {
			rest = words[2]
		}
		parent, traced := strings.CutPrefix(rest, "traceparent=")
		if traced {
			parent, rest, _ = strings.Cut(parent, " ")
		}
		require.NoError(t, prototext.Unmarshal([]byte(rest), attributes.Message().Interface()), line)
		m.Set(field, attributes)
		if traced {
			setHeader(attributes.Message(), parent)
		}
		events = append(events, e)
	}
	return events
}

func snake(camel string) string {
	var b strings.Builder
	for i, r := range camel {
		if unicode.IsUpper(r) && i > 0 {
			b.WriteByte('_')
		}
		b.WriteRune(unicode.ToLower(r))
	}
	return b.String()
}

// tracerHeader is what an SDK's interceptor writes.
func tracerHeader(parent string) *commonpb.Header {
	return &commonpb.Header{Fields: map[string]*commonpb.Payload{
		"_tracer-data": {Metadata: map[string][]byte{"encoding": []byte("json/plain")}, Data: fmt.Appendf(nil, `{"traceparent":%q}`, parent)},
	}}
}

func setHeader(m protoreflect.Message, parent string) {
	m.Set(m.Descriptor().Fields().ByName("header"), protoreflect.ValueOfMessage(tracerHeader(parent).ProtoReflect()))
}

// details are what the tree does not show.
func details(list []spans.Span) string {
	var b strings.Builder
	for _, s := range list {
		fmt.Fprintf(&b, "\n%s", s.Name)
		for _, a := range s.Attributes {
			fmt.Fprintf(&b, "\n  %s=%v", strings.TrimPrefix(a.Key, "perdure."), a.Value)
		}
		for _, e := range s.Events {
			fmt.Fprintf(&b, "\n  at %v %s", e.Time.Sub(epoch), e.Name)
			for _, a := range e.Attributes {
				fmt.Fprintf(&b, " %s=%v", strings.TrimPrefix(a.Key, "perdure."), a.Value)
			}
		}
		for _, l := range s.Links {
			fmt.Fprintf(&b, "\n  link %s %s/%s", l.Relation, l.Trace, l.Span)
		}
	}
	return b.String() + "\n"
}

func TestContextsAreReadAsTheStandardSays(t *testing.T) {
	const good = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
	c := spans.ParseContext(good, "vendor=1")
	require.True(t, c.Sampled())
	require.Equal(t, good, c.Traceparent())
	require.Equal(t, "vendor=1", c.State)
	require.Empty(t, spans.ParseContext(good, strings.Repeat("a", 256+1)).State)
	require.Len(t, spans.ParseContext(good, strings.Repeat("a", 256)).State, 256)
	require.False(t, spans.ParseContext(strings.TrimSuffix(good, "1")+"0", "").Sampled())
	require.True(t, spans.ParseContext("01"+good[2:]+"-more", "").Sampled(), "later versions may have more")
	for _, bad := range []string{
		"", "00", "ff" + good[2:], good + "-more", "0x" + good[2:], strings.ToUpper(good), good[:54], good + "0",
		"00-00000000000000000000000000000000-b7ad6b7169203331-01", "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
	} {
		require.False(t, spans.ParseContext(bad, "").Valid(), bad)
	}
	require.Equal(t, good, spans.FromHeader(tracerHeader(good)).Traceparent())
	secret := tracerHeader(good)
	secret.Fields["_tracer-data"].Metadata["encoding"] = []byte("binary/encrypted")
	require.False(t, spans.FromHeader(secret).Valid())
	require.False(t, spans.FromHeader(nil).Valid())
	long := tracerHeader(good)
	long.Fields["_tracer-data"].Data = append(long.Fields["_tracer-data"].Data, make([]byte, 16<<10)...)
	require.False(t, spans.FromHeader(long).Valid())
}

func TestOriginsGoOn(t *testing.T) {
	started := &historypb.WorkflowExecutionStartedEventAttributes{}
	stored := spans.Origin{Context: callerContext}
	require.True(t, spans.OriginOf(stored, started).Joined())
	require.False(t, spans.OriginOf(spans.Origin{}, started).Joined())
	unsampled := callerContext
	unsampled.Flags = 0
	require.Zero(t, spans.OriginOf(spans.Origin{Context: unsampled}, started), "who does not keep the trace does not count")

	started.Header = tracerHeader("00-1af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
	require.Equal(t, byte(0x1a), spans.OriginOf(stored, started).Trace[0], "what the SDK wrote comes first")
	started.Header = nil

	root := stored.Of("r")
	require.Equal(t, callerContext.Trace, root.Trace)
	require.Equal(t, spans.Root("r"), root.Span)
	child := stored.Child("r", 7)
	require.True(t, child.Joined())
	require.Equal(t, spans.Whole("r", 7), child.Span)
	next := stored.Next("r")
	require.Equal(t, spans.Origin{Context: root, Follows: true}, next)
	require.Zero(t, next.Next("r2"), "what follows that is told by history")
	require.Zero(t, spans.Origin{}.Child("r", 7))
}

func TestOriginsArePacked(t *testing.T) {
	for _, o := range []spans.Origin{{Context: callerContext}, {Context: callerContext, Follows: true}, {Context: spans.Context{Trace: callerContext.Trace, Span: callerContext.Span, Flags: 3, State: "vendor=1"}}} {
		back, ok := spans.Unpack(o.Pack())
		require.True(t, ok)
		require.Equal(t, o, back)
	}
	require.Len(t, spans.Origin{Context: callerContext}.Pack(), 25)
	_, ok := spans.Unpack(make([]byte, 24))
	require.False(t, ok)
}

func TestRulesKeepWhatMatters(t *testing.T) {
	rules := spans.Rules{Failures: true, Slow: time.Second, Share: 0.25}
	completed := spans.Ended{Status: enumspb.WORKFLOW_EXECUTION_STATUS_COMPLETED}
	kept := 0
	for i := range 4000 {
		completed.FamilyRunID = fmt.Sprint(i)
		if reason := rules.Keep(completed); reason != "" {
			require.Equal(t, "share", reason)
			kept++
		}
	}
	require.InDelta(t, 1000, kept, 100)
	for _, status := range []enumspb.WorkflowExecutionStatus{enumspb.WORKFLOW_EXECUTION_STATUS_FAILED, enumspb.WORKFLOW_EXECUTION_STATUS_TIMED_OUT, enumspb.WORKFLOW_EXECUTION_STATUS_TERMINATED} {
		require.Equal(t, "failed", rules.Keep(spans.Ended{Status: status}))
		require.Empty(t, spans.Rules{}.Keep(spans.Ended{Status: status}))
	}
	require.Equal(t, "slow", spans.Rules{Slow: time.Second}.Keep(spans.Ended{Duration: time.Second}))
	require.Empty(t, spans.Rules{Slow: time.Second}.Keep(spans.Ended{Duration: time.Second - 1}))
	require.Equal(t, "joined", spans.Rules{}.Keep(spans.Ended{Joined: true}))
	require.Equal(t, "share", spans.Rules{Share: 1}.Keep(spans.Ended{}))
	require.Empty(t, spans.Rules{}.Keep(spans.Ended{Status: enumspb.WORKFLOW_EXECUTION_STATUS_CANCELED}))
}

func TestJSONIsReadBack(t *testing.T) {
	for name, events := range recorded(t) {
		list := spans.Build(spans.Run{Namespace: "default", WorkflowID: "w", RunID: "r", Until: epoch.Add(time.Hour), Origin: spans.Origin{Context: callerContext}}, events)
		text, err := spans.MarshalJSON(list)
		require.NoError(t, err)
		back, err := spans.UnmarshalJSON(text)
		require.NoError(t, err)
		require.Equal(t, list, back, name)
	}
	for _, bad := range []string{"", "[]", `{"resourceSpans":[{"scopeSpans":[{"spans":[{}]}]}]}`, `{"resourceSpans":[{"scopeSpans":[{"spans":[{"traceId":"zz"}]}]}]}`} {
		_, err := spans.UnmarshalJSON([]byte(bad))
		require.ErrorIs(t, err, spans.ErrJSON, bad)
	}
}
