package frontend_test

import (
	"context"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	commonpb "go.temporal.io/api/common/v1"
	"go.temporal.io/api/workflowservice/v1"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"perdure/server/frontend"
	"perdure/server/nexus"
)

func allowHere(c *frontend.Config) {
	c.CallbackAddresses = nexus.AddressRules{{Pattern: "here:1", AllowInsecure: true}, {Pattern: "safe"}}
}

func callbackTo(url string, header ...string) *commonpb.Callback {
	c := &commonpb.Callback_Nexus{Url: url}
	for i := 0; i < len(header); i += 2 {
		if c.Header == nil {
			c.Header = map[string]string{}
		}
		c.Header[header[i]] = header[i+1]
	}
	return &commonpb.Callback{Variant: &commonpb.Callback_Nexus_{Nexus: c}}
}

func linkTo(id string) *commonpb.Link {
	return &commonpb.Link{Variant: &commonpb.Link_WorkflowEvent_{WorkflowEvent: &commonpb.Link_WorkflowEvent{
		Namespace: "default", WorkflowId: id, RunId: "00000000-0000-0000-0000-000000000001",
	}}}
}

func withLinks(c *commonpb.Callback, ids ...string) *commonpb.Callback {
	for _, id := range ids {
		c.Links = append(c.Links, linkTo(id))
	}
	return c
}

func TestCallbacksAreChecked(t *testing.T) {
	t.Parallel()
	b := setup(t, allowHere)
	for _, c := range []struct {
		callback *commonpb.Callback
		code     codes.Code
		message  string
	}{
		{callbackTo("http://here:1/x"), codes.DataLoss, ""},
		{callbackTo("https://here:1/x"), codes.DataLoss, ""},
		{callbackTo("https://safe/" + strings.Repeat("a", 987)), codes.DataLoss, ""},
		{callbackTo("https://safe/" + strings.Repeat("a", 988)), codes.InvalidArgument, "invalid url: url length longer than max length allowed of 1000"},
		{callbackTo("http://safe/"), codes.InvalidArgument, "invalid url: callback address does not allow insecure connections: http://safe/"},
		{callbackTo("http://there/"), codes.InvalidArgument, "invalid url: url does not match any configured callback address: http://there/"},
		{callbackTo("http://h h/"), codes.InvalidArgument, `invalid callback url: parse "http://h h/": invalid character " " in host name`},
		{callbackTo("https://safe/", "a", strings.Repeat("b", 8191)), codes.DataLoss, ""},
		{callbackTo("https://safe/", "a", strings.Repeat("b", 8192)), codes.InvalidArgument, "invalid header: header size longer than max allowed size of 8192"},
		{callbackTo("https://safe/", "a b", "c"), codes.InvalidArgument, `invalid header: "a b" cannot be sent as a header of HTTP`},
		{callbackTo("https://safe/", "a", "b\nc"), codes.InvalidArgument, `invalid header: "a" cannot be sent as a header of HTTP`},
		{callbackTo("https://safe/", "", "c"), codes.InvalidArgument, `invalid header: "" cannot be sent as a header of HTTP`},
		{&commonpb.Callback{Variant: &commonpb.Callback_Internal_{}}, codes.InvalidArgument, "unsupported callback variant: *common.Callback_Internal_"},
		{&commonpb.Callback{Variant: &commonpb.Callback_NexusHandler_{}}, codes.Unimplemented, "unknown callback variant: *common.Callback_NexusHandler_"},
		{&commonpb.Callback{}, codes.Unimplemented, "unknown callback variant: <nil>"},
	} {
		req := startRequest()
		req.CompletionCallbacks = []*commonpb.Callback{c.callback}
		_, err := b.client.StartWorkflowExecution(context.Background(), req)
		require.Equal(t, c.code, status.Code(err), "%v", err) // DataLoss: it got as far as history
		if c.message != "" {
			require.Equal(t, c.message, status.Convert(err).Message())
		}
	}
}

func (b *bundle) startedWith(t *testing.T, links []*commonpb.Link, callbacks ...*commonpb.Callback) *workflowservice.StartWorkflowExecutionRequest {
	t.Helper()
	req := startRequest()
	req.Links, req.CompletionCallbacks = links, callbacks
	return b.started(t, req)
}

func TestHeadersOfCallbacksAreWrittenInLowerCase(t *testing.T) {
	t.Parallel()
	b := setup(t, allowHere)
	got := b.startedWith(t, nil, callbackTo("https://safe/", "X-One", "Two"), callbackTo("https://safe/"))
	require.Equal(t, map[string]string{"x-one": "Two"}, got.CompletionCallbacks[0].GetNexus().Header)
	require.Nil(t, got.CompletionCallbacks[1].GetNexus().Header)
}

// TestLinksOfCallbacks are not written twice: what a callback carries is the callback's.
func TestLinksOfCallbacks(t *testing.T) {
	t.Parallel()
	b := setup(t, allowHere)
	got := b.startedWith(t, []*commonpb.Link{linkTo("a"), linkTo("b"), linkTo("c")},
		withLinks(callbackTo("https://safe/"), "b", "c", "d"), withLinks(callbackTo("https://safe/"), "c", "d", "e"))
	require.Len(t, got.Links, 1)
	require.Equal(t, "a", got.Links[0].GetWorkflowEvent().WorkflowId)
	require.Len(t, got.CompletionCallbacks[1].Links, 3)
}

func TestLinksOfCallbacksCount(t *testing.T) {
	t.Parallel()
	b := setup(t, allowHere)
	many := []string{"a", "b", "c", "d", "e", "f"}
	b.startedWith(t, []*commonpb.Link{linkTo("a"), linkTo("b")}, withLinks(callbackTo("https://safe/"), many...))
	for _, c := range []struct {
		links     []*commonpb.Link
		callbacks []*commonpb.Callback
		message   string
	}{
		{nil, []*commonpb.Callback{withLinks(callbackTo("https://safe/"), many...), withLinks(callbackTo("https://safe/"), many...)}, "cannot attach more than 10 links per request, got 12"},
		{[]*commonpb.Link{linkTo("1"), linkTo("2"), linkTo("3"), linkTo("4"), linkTo("5")}, []*commonpb.Callback{withLinks(callbackTo("https://safe/"), many...)}, "cannot attach more than 10 links per request, got 11"},
		{nil, []*commonpb.Callback{{Variant: callbackTo("https://safe/").Variant, Links: []*commonpb.Link{{}}}}, "unsupported link variant"},
	} {
		req := startRequest()
		req.Links, req.CompletionCallbacks = c.links, c.callbacks
		_, err := b.client.StartWorkflowExecution(context.Background(), req)
		require.Equal(t, codes.InvalidArgument, status.Code(err))
		require.Equal(t, c.message, status.Convert(err).Message())
	}
}
