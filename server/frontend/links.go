package frontend

import (
	"net/url"

	commonpb "go.temporal.io/api/common/v1"
	"go.temporal.io/api/serviceerror"
	"google.golang.org/protobuf/proto"

	"perdure/server/apierr"
)

const (
	callbackURLBytesMax    = 1000    // it is stored with the run
	callbackHeaderBytesMax = 8 << 10 // likewise
	// systemCallbackURL is the address by which the protocol's own operations are called back.
	systemCallbackURL = "temporal://system"
)

func (f *Frontend) checkLinks(links []*commonpb.Link) error {
	if len(links) > f.limits.LinksMax {
		return apierr.InvalidArgument("cannot attach more than %d links per request, got %d", f.limits.LinksMax, len(links))
	}
	for _, l := range links {
		if size := proto.Size(l); size > f.limits.LinkBytesMax {
			return apierr.InvalidArgument("link exceeds allowed size of %d, got %d", f.limits.LinkBytesMax, size)
		}
		if missing := missingInLink(l); missing != "" {
			return apierr.InvalidArgument("%s", missing)
		}
	}
	return nil
}

// missingInLink says what a link lacks; empty when it is complete.
func missingInLink(l *commonpb.Link) string {
	switch v := l.GetVariant().(type) {
	case *commonpb.Link_WorkflowEvent_:
		switch {
		case v.WorkflowEvent.GetNamespace() == "":
			return "workflow event link must not have an empty namespace field"
		case v.WorkflowEvent.GetWorkflowId() == "":
			return "workflow event link must not have an empty workflow ID field"
		case v.WorkflowEvent.GetRunId() == "":
			return "workflow event link must not have an empty run ID field"
		}
	case *commonpb.Link_BatchJob_:
		if v.BatchJob.GetJobId() == "" {
			return "batch job link must not have an empty job ID"
		}
	case nil:
		return "unsupported link variant"
	}
	return ""
}

func (f *Frontend) checkCallbacks(callbacks []*commonpb.Callback) error {
	if len(callbacks) > f.limits.CallbacksMax {
		return apierr.InvalidArgument("cannot attach more than %d callbacks to an execution", f.limits.CallbacksMax)
	}
	for _, c := range callbacks {
		if err := checkCallback(c); err != nil {
			return err
		}
	}
	return nil
}

func checkCallback(c *commonpb.Callback) error {
	switch v := c.GetVariant().(type) {
	case *commonpb.Callback_Nexus_:
		if wrong := wrongCallbackURL(v.Nexus.GetUrl()); wrong != "" {
			return apierr.InvalidArgument("invalid url: %s", wrong)
		}
		if headerBytes(v.Nexus.GetHeader()) > callbackHeaderBytesMax {
			return apierr.InvalidArgument("invalid header: header size longer than max allowed size of %d", callbackHeaderBytesMax)
		}
		return nil
	case nil:
		return serviceerror.NewUnimplemented("unknown callback variant: <nil>")
	default:
		return apierr.InvalidArgument("unsupported callback variant: %T", v)
	}
}

// wrongCallbackURL says why a callback cannot be called; empty when it can. No
// outside address is allowed as long as none can be configured.
func wrongCallbackURL(text string) string {
	if len(text) > callbackURLBytesMax {
		return "url length longer than max length allowed of 1000"
	}
	if text == systemCallbackURL {
		return ""
	}
	u, err := url.Parse(text)
	switch {
	case err != nil:
		return err.Error()
	case u.Scheme != "http" && u.Scheme != "https":
		return "unknown scheme: " + text
	case u.Host == "":
		return "missing host"
	}
	return "url does not match any configured callback address: " + text
}

func headerBytes(h map[string]string) int {
	n := 0
	for name, value := range h {
		n += len(name) + len(value)
	}
	return n
}
