package nexus

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	failurepb "go.temporal.io/api/failure/v1"
	"google.golang.org/protobuf/proto"
)

var epoch = time.Date(2026, 1, 2, 3, 4, 5, 600_000_000, time.UTC)

func payload(data string, metadata ...string) *commonpb.Payload {
	p := &commonpb.Payload{Metadata: map[string][]byte{}, Data: []byte(data)}
	for i := 0; i < len(metadata); i += 2 {
		p.Metadata[metadata[i]] = []byte(metadata[i+1])
	}
	return p
}

func TestContentTypes(t *testing.T) {
	for _, c := range []struct {
		name       string
		payload    *commonpb.Payload
		kind, body string
	}{
		{"none", nil, "", ""},
		{"null", payload("", "encoding", "binary/null"), "", ""},
		{"json", payload(`{"a":1}`, "encoding", "json/plain"), "application/json", `{"a":1}`},
		{"bytes", payload("\x00\x01", "encoding", "binary/plain"), "application/octet-stream", "\x00\x01"},
		{"json of a message", payload("{}", "encoding", "json/protobuf", "messageType", "a.b.C"), `application/json; format=protobuf; message-type="a.b.C"`, "{}"},
		{"message", payload("\n", "encoding", "binary/protobuf", "messageType", "a.b.C"), `application/x-protobuf; message-type="a.b.C"`, "\n"},
	} {
		got := contentOf(c.payload)
		require.Equal(t, c.kind, got.kind, c.name)
		require.Equal(t, c.body, string(got.body), c.name)
	}
}

// TestOtherPayloadsTravelWhole: nothing of a payload is lost that the protocol has no form for.
func TestOtherPayloadsTravelWhole(t *testing.T) {
	for _, p := range []*commonpb.Payload{
		{}, payload("x"), payload("x", "encoding", "mine"), payload("1", "encoding", "json/plain", "more", "yes"),
		payload("", "encoding", "binary/null", "more", "yes"), payload("{}", "encoding", "json/protobuf"),
		payload("x", "encoding", "binary/protobuf", "messageType", "a\r\nX-Evil: 1"),
	} {
		got := contentOf(p)
		require.Equal(t, "application/x-temporal-payload", got.kind)
		back := &commonpb.Payload{}
		require.NoError(t, proto.Unmarshal(got.body, back))
		require.True(t, proto.Equal(p, back), "%v", p)
	}
}

func TestFailureOnTheWire(t *testing.T) {
	application := func(kind string) *failurepb.Failure_ApplicationFailureInfo {
		return &failurepb.Failure_ApplicationFailureInfo{ApplicationFailureInfo: &failurepb.ApplicationFailureInfo{Type: kind, NonRetryable: kind == "T"}}
	}
	c := Completion{Failure: &failurepb.Failure{
		Message: "boom", Source: "GoSDK", StackTrace: "st", FailureInfo: application("T"),
		Cause: &failurepb.Failure{Message: "inner", FailureInfo: application("I")},
	}}
	r := c.Request(&commonpb.Callback_Nexus{})
	require.Equal(t, "application/json", r.Header["content-type"])
	require.Equal(t, `{"message":"boom","stackTrace":"st","metadata":{"type":"temporal.api.failure.v1.Failure"},`+
		`"details":{"source":"GoSDK","cause":{"message":"inner","applicationFailureInfo":{"type":"I"}},"applicationFailureInfo":{"type":"T","nonRetryable":true}},`+
		`"cause":{"message":"inner","metadata":{"type":"temporal.api.failure.v1.Failure"},"details":{"applicationFailureInfo":{"type":"I"}}}}`, string(r.Body))
}

func TestCompletionHeaders(t *testing.T) {
	c := Completion{Result: payload("1", "encoding", "json/plain"), StartTime: epoch, CloseTime: epoch.Add(time.Minute)}
	require.Equal(t, map[string]string{
		"nexus-operation-state": "succeeded", "content-type": "application/json",
		"nexus-operation-start-time": "Fri, 02 Jan 2026 03:04:05 GMT", "nexus-operation-close-time": "2026-01-02T03:05:05.600000000Z",
	}, c.Request(&commonpb.Callback_Nexus{}).Header)
	at, err := http.ParseTime(c.Request(&commonpb.Callback_Nexus{}).Header["nexus-operation-start-time"])
	require.NoError(t, err)
	require.Equal(t, epoch.Truncate(time.Second), at)

	c.Failure = &failurepb.Failure{Message: "no"}
	require.Equal(t, "failed", c.Request(&commonpb.Callback_Nexus{}).Header["nexus-operation-state"])
	c.Canceled = true
	require.Equal(t, "canceled", c.Request(&commonpb.Callback_Nexus{}).Header["nexus-operation-state"])
}

// TestUserHeadersComeFirst, but those that belong to the connection are the caller's own.
func TestUserHeadersComeFirst(t *testing.T) {
	r := Completion{}.Request(&commonpb.Callback_Nexus{Url: "http://h/x", Header: map[string]string{
		"nexus-operation-state": "mine", "nexus-operation-token": "token", "host": "evil", "content-length": "3", "connection": "close",
	}})
	require.Equal(t, "http://h/x", r.URL)
	require.Equal(t, "mine", r.Header["nexus-operation-state"])
	require.Equal(t, "token", r.Header["nexus-operation-token"])
	for _, name := range []string{"host", "content-length", "connection"} {
		require.NotContains(t, r.Header, name)
	}
}

func TestLinks(t *testing.T) {
	link := &commonpb.Link_WorkflowEvent{Namespace: "de fault", WorkflowId: "a/b?é", RunId: "r-1", Reference: &commonpb.Link_WorkflowEvent_EventRef{
		EventRef: &commonpb.Link_WorkflowEvent_EventReference{EventId: 1, EventType: enumspb.EVENT_TYPE_WORKFLOW_EXECUTION_STARTED},
	}}
	require.Equal(t, `<temporal:///namespaces/de%20fault/workflows/a%2Fb%3F%C3%A9/r-1/history?eventID=1&eventType=WorkflowExecutionStarted&referenceType=EventReference>; `+
		`type="temporal.api.common.v1.Link.WorkflowEvent"`, Completion{Link: link}.Request(&commonpb.Callback_Nexus{}).Header["nexus-link"])
	link.Reference = &commonpb.Link_WorkflowEvent_RequestIdRef{RequestIdRef: &commonpb.Link_WorkflowEvent_RequestIdReference{
		RequestId: "a b&c", EventType: enumspb.EVENT_TYPE_WORKFLOW_EXECUTION_OPTIONS_UPDATED,
	}}
	require.Contains(t, linkHeader(link), "/history?eventType=WorkflowExecutionOptionsUpdated&referenceType=RequestIdReference&requestID=a+b%26c>;")
}

func TestAnswers(t *testing.T) {
	retried := func(status int, override string) bool {
		return AnswerOf(Response{StatusCode: status, Retryable: override}).Retryable
	}
	for _, status := range []int{200, 201, 204, 299} {
		require.Equal(t, Taken(), AnswerOf(Response{StatusCode: status}), status)
	}
	for _, status := range []int{300, 307, 405, 408, 410, 422, 424, 429, 500, 502, 503, 504, 520, 599, 999} {
		require.True(t, retried(status, ""), status)
	}
	for _, status := range []int{400, 401, 403, 404, 409, 501} {
		require.False(t, retried(status, ""), status)
	}
	require.True(t, retried(400, "true"))
	require.False(t, retried(500, "false"))
	require.True(t, retried(500, "perhaps"))
	require.Equal(t, "handler error (NOT_FOUND)", AnswerOf(Response{404, "404 Not Found", ""}).Message)
	require.Equal(t, `unexpected response status: "418 I'm a Teapot"`, AnswerOf(Response{418, "418 I'm a Teapot", ""}).Message)
}

func TestAttempts(t *testing.T) {
	policy := Policy{InitialInterval: time.Second, MaximumInterval: time.Hour}
	var p Progress
	require.Equal(t, enumspb.CALLBACK_STATE_STANDBY, p.State(epoch, true))
	p = p.Trigger(epoch)
	require.Equal(t, enumspb.CALLBACK_STATE_SCHEDULED, p.State(epoch, false))
	require.Equal(t, enumspb.CALLBACK_STATE_BLOCKED, p.State(epoch, true))
	now := epoch
	for attempt, want := range []time.Duration{time.Second, 2 * time.Second, 4 * time.Second, 8 * time.Second} {
		p = p.After(Unreachable("gone"), now, policy, 0)
		require.Equal(t, int32(attempt+1), p.Attempts)
		require.Equal(t, want, p.NextTime.Sub(now))
		require.Equal(t, enumspb.CALLBACK_STATE_BACKING_OFF, p.State(now, false))
		require.False(t, p.IsDue(p.NextTime.Add(-1)))
		now = p.NextTime
		require.True(t, p.IsDue(now))
	}
	for range 2000 { // the wait is bounded, however long it takes
		p = p.After(Unreachable("gone"), now, policy, 0)
	}
	require.Equal(t, time.Hour, p.NextTime.Sub(now))
	require.Equal(t, 48*time.Minute, p.After(Unreachable("gone"), now, policy, 1).NextTime.Sub(now))
	require.Equal(t, "gone", p.LastFailure.Message)

	taken := p.After(Taken(), now, policy, 0)
	require.Equal(t, Progress{Stage: Succeeded, Attempts: p.Attempts + 1, LastTime: now}, taken)
	refused := p.After(AnswerOf(Response{StatusCode: 400}), now, policy, 0)
	require.Equal(t, enumspb.CALLBACK_STATE_FAILED, refused.State(now, true))
	require.True(t, refused.LastFailure.GetApplicationFailureInfo().NonRetryable)
	require.Equal(t, refused, refused.Trigger(now), "only what stands by is triggered")
}

// TestFailuresAreFitToBeStored, whatever the receiver sent.
func TestFailuresAreFitToBeStored(t *testing.T) {
	f := AnswerOf(Response{999, strings.Repeat("\xff\x00", 5000), ""}).failure()
	require.LessOrEqual(t, len(f.Message), 3*failureBytesMax)
	_, err := proto.Marshal(f)
	require.NoError(t, err)
	_, err = proto.Marshal(Unreachable("\xff").failure())
	require.NoError(t, err)
}

func TestAddressRules(t *testing.T) {
	rules, err := ParseAddressRules([]string{"http://127.0.0.1:*", "https://*.Example.com", "https://x.org:8443"})
	require.NoError(t, err)
	for _, allowed := range []string{
		"http://127.0.0.1:1/x", "https://127.0.0.1:1/x", "https://a.example.com/x", "https://a.b.Example.COM", "https://u:p@a.example.com/", "https://x.org:8443/y?z", SystemURL,
	} {
		require.Empty(t, rules.Check(allowed), allowed)
	}
	const unmatched, insecure = "does not match any configured", "does not allow insecure"
	for address, want := range map[string]string{
		"http://127.0.0.1/x": unmatched, "https://example.com/": unmatched, "https://a.example.com.evil.com/": unmatched, "https://evil.com/a.example.com": unmatched,
		"https://a.example.com:444/": unmatched, "https://x.org/": unmatched, "https://a.example.com@evil.com/": unmatched,
		"http://a.example.com/": insecure, "http://x.org:8443/": insecure,
		"ftp://127.0.0.1:1/x": "unknown scheme: ftp://127.0.0.1:1/x", "": "unknown scheme: ", "http:x": "missing host", "temporal://other": "unknown scheme",
		"http://h h/": "invalid callback url: parse",
	} {
		require.Contains(t, rules.Check(address), want, address)
	}
	require.Contains(t, AddressRules(nil).Check("https://x.org/"), unmatched)
}

func TestAddressRulesThatAreNone(t *testing.T) {
	for _, text := range []string{"", "example.com", "ftp://x", "https://", "https://x/path", "https://u@x", "https://x y"} {
		_, err := ParseAddressRules([]string{"https://fine", text})
		require.ErrorContains(t, err, "is no rule for addresses", text)
	}
}

func TestPatterns(t *testing.T) {
	for pattern, yes := range map[string]string{"*": "anything", "a*": "abc", "*c": "abc", "a*c": "ac", "a*b*c": "aXbYbc", "**": "", "abc": "abc"} {
		require.True(t, matches(pattern, yes), pattern)
	}
	for pattern, no := range map[string]string{"": "a", "a*": "ba", "*c": "cb", "ab*ba": "aba", "a*b*c": "acb", "abc": "ABC"} {
		require.False(t, matches(pattern, no), pattern)
	}
}

func TestDestinations(t *testing.T) {
	require.Equal(t, "https://x.org:1", Destination("HTTPS://X.org:1/path?query"))
	require.Equal(t, Destination("http://u:p@x.org/a"), Destination("http://x.org/b"))
	require.NotEqual(t, Destination("http://x.org/"), Destination("https://x.org/"))
}
