package execution

import (
	"fmt"
	"slices"
	"strings"
	"time"

	activitypb "go.temporal.io/api/activity/v1"
	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	historypb "go.temporal.io/api/history/v1"
	workflowpb "go.temporal.io/api/workflow/v1"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	"perdure/server/match"
)

// How transcripts show things: short, complete enough to review, and stable.

// hidden are attributes that say the same in every story.
var hidden = []string{
	"workflow_type", "namespace", "namespace_id", "original_execution_run_id", "first_execution_run_id",
	"history_size_bytes", "prev_auto_reset_points", "header", "parent_workflow_namespace", "parent_workflow_namespace_id",
}

func showEvent(e *historypb.HistoryEvent) string {
	m := e.ProtoReflect()
	attributes := m.Descriptor().Oneofs().ByName("attributes")
	text := e.EventType.String()
	if field := m.WhichOneof(attributes); field != nil {
		text += showFields(m.Get(field).Message())
	}
	if e.UserMetadata != nil {
		text += " metadata=" + showMessage(e.UserMetadata.ProtoReflect())
	}
	return text
}

func showFields(m protoreflect.Message) string {
	var b strings.Builder
	fields := m.Descriptor().Fields()
	for i := range fields.Len() {
		field := fields.Get(i)
		if !m.Has(field) || slices.Contains(hidden, string(field.Name())) {
			continue
		}
		if text := showField(field, m.Get(field)); text != "" && (text != "w" || field.Name() != "workflow_id") {
			fmt.Fprintf(&b, " %s=%s", field.Name(), text)
		}
	}
	return b.String()
}

func showField(field protoreflect.FieldDescriptor, v protoreflect.Value) string {
	switch {
	case field.IsList():
		var items []string
		for i := range v.List().Len() {
			items = append(items, showValue(field, v.List().Get(i)))
		}
		return "[" + strings.Join(items, ",") + "]"
	case field.IsMap():
		var items []string
		v.Map().Range(func(key protoreflect.MapKey, value protoreflect.Value) bool {
			items = append(items, key.String()+":"+showValue(field.MapValue(), value))
			return true
		})
		slices.Sort(items)
		return "{" + strings.Join(items, ",") + "}"
	}
	return showValue(field, v)
}

func showValue(field protoreflect.FieldDescriptor, v protoreflect.Value) string {
	switch field.Kind() {
	case protoreflect.MessageKind:
		return showMessage(v.Message())
	case protoreflect.EnumKind:
		value := field.Enum().Values().ByNumber(v.Enum())
		name := string(value.Name())
		first := string(field.Enum().Values().Get(0).Name())
		return strings.TrimPrefix(name, strings.TrimSuffix(first, "UNSPECIFIED"))
	case protoreflect.StringKind:
		if strings.ContainsAny(v.String(), " ") {
			return fmt.Sprintf("%q", v.String())
		}
	}
	return v.String()
}

func showMessage(m protoreflect.Message) string {
	switch value := m.Interface().(type) {
	case *durationpb.Duration:
		if value.AsDuration() == 0 {
			return ""
		}
		return value.AsDuration().String()
	case *timestamppb.Timestamp:
		return showTime(value.AsTime())
	case *commonpb.Payload:
		if len(value.Data) > 0 && value.Data[0] == 0 {
			return fmt.Sprintf("(%d bytes)", len(value.Data))
		}
		return string(value.Data)
	case *commonpb.Payloads:
		var items []string
		for _, p := range value.Payloads {
			items = append(items, showMessage(p.ProtoReflect()))
		}
		return strings.Join(items, ",")
	case *commonpb.SearchAttributes:
		return showField(m.Descriptor().Fields().ByName("indexed_fields"), m.Get(m.Descriptor().Fields().ByName("indexed_fields")))
	case *anypb.Any:
		inner, err := value.UnmarshalNew()
		if err != nil {
			return err.Error()
		}
		return showMessage(inner.ProtoReflect())
	}
	return "{" + strings.TrimPrefix(showFields(m), " ") + "}"
}

// showTime is the time since the story began.
func showTime(at time.Time) string {
	if at.IsZero() {
		return "never"
	}
	return "+" + at.Sub(epoch).String()
}

// showWork is what the run asks of the world.
func (r *rig) showWork(b *strings.Builder) {
	w := r.s.Work(r.now)
	for _, o := range w.Offers {
		kind := "activity"
		if o.Workflow {
			kind = "task"
		}
		fmt.Fprintf(b, "offer: %s %d on %s", kind, o.ScheduledEventID, o.Queue)
		if o.Sticky {
			fmt.Fprintf(b, " (sticky)")
		}
		if o.Volatile {
			fmt.Fprintf(b, " (in memory)")
		}
		if version := r.target(o); version != (match.Version{}) {
			fmt.Fprintf(b, " for %s", version)
		}
		if !o.ExpiresAt.IsZero() {
			fmt.Fprintf(b, " until %s", showTime(o.ExpiresAt))
		}
		b.WriteString("\n")
	}
	for _, m := range w.Messages {
		fmt.Fprintf(b, "message: %s\n", showOutgoing(m))
	}
	for _, c := range w.Calls {
		request := r.s.CallbackRequest(c.Callback, "ns")
		fmt.Fprintf(b, "call: %s %s %s\n", request.URL, request.Header["nexus-operation-state"], request.Body)
	}
	if !w.WakeAt.IsZero() {
		fmt.Fprintf(b, "wake: %s\n", showTime(w.WakeAt))
	}
}

func showOutgoing(m Message) string {
	switch {
	case m.StartChild != nil:
		return fmt.Sprintf("start child %s (%d)", m.StartChild.WorkflowID, m.StartChild.InitiatedEventID)
	case m.Signal != nil:
		a := m.Signal.Initiated.GetSignalExternalWorkflowExecutionInitiatedEventAttributes()
		return fmt.Sprintf("signal %s to %s (%d)", a.SignalName, a.WorkflowExecution.WorkflowId, m.Signal.InitiatedEventID)
	case m.Cancel != nil:
		a := m.Cancel.Initiated.GetRequestCancelExternalWorkflowExecutionInitiatedEventAttributes()
		return fmt.Sprintf("cancel %s (%d)", a.WorkflowExecution.WorkflowId, m.Cancel.InitiatedEventID)
	case m.NotifyParent != nil:
		return "tell the parent of " + m.NotifyParent.EventType.String()
	}
	var children []string
	for _, c := range m.ClosePolicy {
		children = append(children, strings.ToLower(c.ClosePolicy.String())+" "+c.WorkflowID)
	}
	return "children: " + strings.Join(children, ", ")
}

// showDecision is everything that follows from one step of a story.
func (r *rig) showDecision(d Decision, err error) string {
	var b strings.Builder
	if err != nil {
		return "error: " + err.Error() + "\n"
	}
	for _, e := range d.Events {
		fmt.Fprintf(&b, "%3d %s\n", e.EventId, showEvent(e))
	}
	if d.Err != nil {
		fmt.Fprintf(&b, "error: %v\n", d.Err)
	}
	for _, p := range d.Passed {
		fmt.Fprintf(&b, "passed: %s with %d\n", p.Limit, p.Size)
	}
	for _, e := range r.s.Buffered {
		fmt.Fprintf(&b, "  ~ %s\n", showEvent(e))
	}
	showReply(&b, d.Reply)
	for _, u := range d.Updates {
		fmt.Fprintf(&b, "update %s: %s\n", u.ID, showResult(u))
	}
	if d.Volatile {
		b.WriteString("(volatile)\n")
	}
	if d.Next != nil {
		fmt.Fprintf(&b, "next run %s:\n", d.Next.State.RunID)
		for _, e := range d.Next.Events {
			fmt.Fprintf(&b, "    %3d %s\n", e.EventId, showEvent(e))
		}
	}
	if !r.s.Open() {
		fmt.Fprintf(&b, "closed: %s\n", r.s.Status)
	}
	r.showWork(&b)
	return b.String()
}

func showResult(u UpdateResult) string {
	switch {
	case u.Err != nil:
		return u.Err.Error()
	case u.Stage == UpdateAccepted:
		return "accepted"
	case u.Outcome.GetFailure() != nil:
		return "failed: " + u.Outcome.GetFailure().Message
	}
	return "completed: " + showMessage(u.Outcome.GetSuccess().ProtoReflect())
}

func showReply(b *strings.Builder, reply any) {
	switch reply := reply.(type) {
	case *TaskStarted:
		showStarted(b, reply)
	case *TaskCompleted:
		if reply.ResetHistoryEventID != 0 {
			fmt.Fprintf(b, "reply: go back to event %d\n", reply.ResetHistoryEventID)
		}
		for _, a := range reply.Eager {
			fmt.Fprintf(b, "reply: activity %s started at once\n", a.ActivityID)
		}
		if reply.NewTask != nil {
			showStarted(b, reply.NewTask)
		}
	case *ActivityTask:
		fmt.Fprintf(b, "reply: activity %s, attempt %d", reply.ActivityID, reply.Attempt)
		if reply.HeartbeatDetails != nil {
			fmt.Fprintf(b, ", details %s", showMessage(reply.HeartbeatDetails.ProtoReflect()))
		}
		b.WriteString("\n")
	case *HeartbeatReply:
		fmt.Fprintf(b, "reply: cancel requested %t", reply.CancelRequested)
		if reply.Paused || reply.Reset {
			fmt.Fprintf(b, ", paused %t, reset %t", reply.Paused, reply.Reset)
		}
		b.WriteString("\n")
	case *activitypb.ActivityOptions:
		fmt.Fprintf(b, "reply: options %s\n", showMessage(reply.ProtoReflect()))
	case *UpdateState:
		fmt.Fprintf(b, "reply: update %s, stage %d, new %t\n", reply.Update.ID, reply.Update.Stage, reply.IsNew)
	}
}

func showStarted(b *strings.Builder, reply *TaskStarted) {
	fmt.Fprintf(b, "reply: task %d/%d, attempt %d, last %d\n", reply.ScheduledEventID, reply.StartedEventID, reply.Attempt, reply.PreviousStartedID)
	for _, e := range reply.Provisional {
		fmt.Fprintf(b, "    (%d) %s\n", e.EventId, showEvent(e))
	}
	for _, m := range reply.Messages {
		fmt.Fprintf(b, "    message %s at %d\n", m.Id, m.GetEventId())
	}
}

// text is a payload with a text.
func text(s string) *commonpb.Payloads {
	if s == "" {
		return nil
	}
	return TextPayload(s)
}

func taskFailedCause(name string) enumspb.WorkflowTaskFailedCause {
	cause, err := enumspb.WorkflowTaskFailedCauseFromString(name)
	if err != nil {
		panic(err)
	}
	return cause
}

// showState is what a story wants to know beside events: attempts, stickiness, entities.
func (r *rig) showState() string {
	var b strings.Builder
	s := r.s
	fmt.Fprintf(&b, "status %s, next event %d\n", s.Status, s.NextEventID)
	if task := s.Task; task != nil {
		fmt.Fprintf(&b, "task: kind %d, %d/%d, attempt %d, on %s, timeout %s\n", task.Kind, task.ScheduledEventID, task.StartedEventID, task.Attempt, task.Queue, task.Timeout)
	}
	b.WriteString(s.showVersioning())
	b.WriteString(s.showBuilding())
	if stamp := s.Building.Worker; stamp.BuildID != "" && !stamp.UseVersioning {
		fmt.Fprintf(&b, "worker: build %s\n", stamp.BuildID)
	}
	named := func(p *workflowpb.ResetPointInfo) bool { return p.BuildId != "" || p.BinaryChecksum != "" }
	for _, point := range s.ResetPoints {
		if !slices.ContainsFunc(s.ResetPoints, named) {
			break
		}
		fmt.Fprintf(&b, "reset point %d: build %q, checksum %q\n", point.FirstWorkflowTaskCompletedId, point.BuildId, point.BinaryChecksum)
	}
	if s.StickyQueue != "" {
		fmt.Fprintf(&b, "sticky: %s for %s\n", s.StickyQueue, s.StickyTimeout)
	}
	for _, a := range s.Activities.values() {
		fmt.Fprintf(&b, "activity %s: attempt %d at %s, started %s, cancel %d", a.ActivityID, a.Attempt, showTime(a.AttemptTime), showTime(a.StartedTime), a.CancelEventID)
		if a.LastFailure != nil {
			fmt.Fprintf(&b, ", last failure %q", a.LastFailure.Message)
		}
		b.WriteString("\n")
	}
	for _, timer := range s.Timers.values() {
		fmt.Fprintf(&b, "timer %s: fires %s\n", timer.TimerID, showTime(timer.FireTime))
	}
	for _, c := range s.Children.values() {
		fmt.Fprintf(&b, "child %s: run %q, started by %d\n", c.WorkflowID, c.RunID, c.StartedEventID)
	}
	for _, u := range s.Updates.values() {
		fmt.Fprintf(&b, "update %s: stage %d\n", u.ID, u.Stage)
	}
	for _, info := range s.describeCallbacks(r.now, func(string) string { return "" }) {
		fmt.Fprintf(&b, "callback %s: %s, registered %s, attempt %d\n", info.Callback.GetNexus().Url, info.State, showTime(info.RegistrationTime.AsTime()), info.Attempt)
	}
	for _, id := range s.Requests.keys() {
		fmt.Fprintf(&b, "request %s: event %d\n", id, s.Requests.get(id).EventID)
	}
	for _, id := range s.SignalRequests.keys() {
		fmt.Fprintf(&b, "signal %s: event %d\n", id, s.SignalRequests.get(id).EventID)
	}
	return b.String()
}
