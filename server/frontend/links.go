package frontend

import (
	commonpb "go.temporal.io/api/common/v1"
	"google.golang.org/protobuf/proto"

	"perdure/server/apierr"
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
