package nexus

import (
	"maps"
	"slices"
	"strconv"
	"time"

	commonpb "go.temporal.io/api/common/v1"
	failurepb "go.temporal.io/api/failure/v1"
)

// Request is an HTTP request as a value. Names of headers are in lower case.
type Request struct {
	URL    string
	Header map[string]string
	Body   []byte
}

// Completion is how an operation has ended: with a failure, canceled or not, or
// with a result, which may be nil.
type Completion struct {
	Result    *commonpb.Payload
	Failure   *failurepb.Failure
	Canceled  bool
	StartTime time.Time
	CloseTime time.Time
	// Link is the event that the operation began with.
	Link *commonpb.Link_WorkflowEvent
}

// httpTime is the time format of HTTP, always in UTC.
const httpTime = "Mon, 02 Jan 2006 15:04:05 GMT"

// exactTime has all nine digits.
const exactTime = "2006-01-02T15:04:05.000000000Z"

// hopHeaders belong to a connection, not to what is sent over it.
var hopHeaders = []string{"connection", "content-length", "host", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade"}

// Request tells the receiver of a callback. Its headers replace those that the
// completion has of the same name, so that a receiver can demand what it likes.
func (c Completion) Request(callback *commonpb.Callback_Nexus) Request {
	state, sent := c.content()
	r := Request{URL: callback.GetUrl(), Body: sent.body, Header: map[string]string{
		"nexus-operation-state":      state,
		"nexus-operation-start-time": c.StartTime.UTC().Format(httpTime),
		"nexus-operation-close-time": c.CloseTime.UTC().Format(exactTime),
	}}
	if sent.kind != "" {
		r.Header["content-type"] = sent.kind
	}
	if c.Link != nil {
		r.Header["nexus-link"] = linkHeader(c.Link)
	}
	maps.Copy(r.Header, callback.GetHeader())
	maps.DeleteFunc(r.Header, func(name, _ string) bool { return slices.Contains(hopHeaders, name) })
	return r
}

func (c Completion) content() (state string, sent content) {
	switch {
	case c.Failure == nil:
		return "succeeded", contentOf(c.Result)
	case c.Canceled:
		return "canceled", failureContent(c.Failure)
	}
	return "failed", failureContent(c.Failure)
}

// linkHeader is a link to an event as a header's value.
func linkHeader(l *commonpb.Link_WorkflowEvent) string {
	query := ""
	switch reference := l.GetReference().(type) {
	case *commonpb.Link_WorkflowEvent_EventRef:
		query = linkQuery("eventID", strconv.FormatInt(reference.EventRef.GetEventId(), 10),
			"eventType", reference.EventRef.GetEventType().String(), "referenceType", "EventReference")
	case *commonpb.Link_WorkflowEvent_RequestIdRef:
		query = linkQuery("eventType", reference.RequestIdRef.GetEventType().String(), "referenceType", "RequestIdReference",
			"requestID", reference.RequestIdRef.GetRequestId())
	}
	return "<temporal:///namespaces/" + pathEscape(l.GetNamespace()) + "/workflows/" + pathEscape(l.GetWorkflowId()) + "/" + pathEscape(l.GetRunId()) +
		"/history?" + query + `>; type="` + string(l.ProtoReflect().Descriptor().FullName()) + `"`
}
