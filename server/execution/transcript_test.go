package execution

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"
	activitypb "go.temporal.io/api/activity/v1"
	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	failurepb "go.temporal.io/api/failure/v1"
	historypb "go.temporal.io/api/history/v1"
	updatepb "go.temporal.io/api/update/v1"
	workflowpb "go.temporal.io/api/workflow/v1"
	"google.golang.org/protobuf/types/known/durationpb"

	"perdure/server/deployment"
	"perdure/server/match"
	"perdure/server/spans"
)

// TestTranscripts runs the stories in testdata. Each step is one command; what
// follows is everything that came of it. Rewrite them with
//
//	go test ./server/execution -run TestTranscripts -rewrite
//
// and review the difference.
func TestTranscripts(t *testing.T) {
	datadriven.Walk(t, "testdata/stories", func(t *testing.T, path string) {
		story := &story{rig: newRig(t), tokens: make(map[string]*TaskStarted)}
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			story.rig.t = t
			return story.step(d)
		})
	})
}

// story is a transcript under way.
type story struct {
	rig    *rig
	tokens map[string]*TaskStarted // that workers kept
}

// args are the key=value arguments of a step or of a command in it.
type args map[string]string

func stepArgs(d *datadriven.TestData) args {
	a := args{}
	for _, arg := range d.CmdArgs {
		a[arg.Key] = strings.Join(arg.Vals, ",")
	}
	return a
}

func lineArgs(words []string) args {
	a := args{}
	for _, word := range words {
		key, value, _ := strings.Cut(word, "=")
		a[key] = value
	}
	return a
}

func (a args) has(key string) bool { _, ok := a[key]; return ok }

func (a args) number(key string) int64 {
	var n int64
	if a.has(key) {
		if _, err := fmt.Sscan(a[key], &n); err != nil {
			panic(err)
		}
	}
	return n
}

func (a args) text(key, otherwise string) string {
	if a.has(key) {
		return a[key]
	}
	return otherwise
}

func (a args) duration(key string) time.Duration {
	if !a.has(key) {
		return 0
	}
	d, err := time.ParseDuration(a[key])
	if err != nil {
		panic(err)
	}
	return d
}

func (a args) wire(key string) *durationpb.Duration {
	if !a.has(key) {
		return nil
	}
	return durationpb.New(a.duration(key))
}

func (a args) retryPolicy() *commonpb.RetryPolicy {
	if !a.has("attempts") && !a.has("initial") {
		return nil
	}
	return &commonpb.RetryPolicy{MaximumAttempts: int32(a.number("attempts")), InitialInterval: a.wire("initial"), MaximumInterval: a.wire("maximum")}
}

func (a args) failure() *failurepb.Failure {
	app := &failurepb.ApplicationFailureInfo{Type: a.text("type", "Oops"), NonRetryable: a.has("non-retryable"), NextRetryDelay: a.wire("delay")}
	return &failurepb.Failure{Message: a.text("message", "it broke"), FailureInfo: &failurepb.Failure_ApplicationFailureInfo{ApplicationFailureInfo: app}}
}

// blob is a payload of so many bytes, or a short text.
func (a args) blob(key string) *commonpb.Payloads {
	if a.has("bytes") {
		return &commonpb.Payloads{Payloads: []*commonpb.Payload{{Data: make([]byte, a.number("bytes"))}}}
	}
	return text(a[key])
}

func (a args) payloads(key string) *commonpb.Payloads {
	if p := a.blob(key); p != nil {
		return p
	}
	return TextPayload("")
}

func (s *story) step(d *datadriven.TestData) string {
	a, r := stepArgs(d), s.rig
	switch d.Cmd {
	case "limits":
		setLimits(&r.limits, a)
		return "ok\n"
	case "start":
		return r.showDecision(r.begin(startOf(a)), nil)
	case "routing":
		return r.stepRouting(a)
	case "builds":
		r.stepBuilds(a)
		return "ok\n"
	case "child":
		return showFields(r.childStart(a["id"]).ProtoReflect()) + "\n"
	case "fork":
		return s.fork(int(a.number("behind")))
	case "poll":
		start := r.startTask
		if a.has("version") {
			start = func() (*TaskStarted, error) { return r.startTaskOn(shop(a["version"])) }
		}
		if a.has("build") {
			start = func() (*TaskStarted, error) { return r.startTaskOn(match.Version{BuildID: a["build"]}) }
		}
		started, err := start()
		if a.has("keep") {
			s.tokens[a["keep"]] = started
		}
		return r.showDecision(r.last, err)
	case "complete":
		if a.has("token") {
			r.lastStart = s.tokens[a["token"]]
		}
		request := completion(a, d.Input)
		r.setWorker(request, a)
		return r.showDecision(r.complete(request))
	case "tick":
		r.advance(a)
		return r.showDecision(r.do(Tick{}))
	case "advance":
		r.advance(a)
		return "now: " + showTime(r.now) + "\n"
	case "start-activity":
		err := r.startActivity(a["id"])
		return r.showDecision(r.last, err)
	case "crash":
		r.crash()
		return r.showDecision(Decision{}, nil)
	case "follow":
		s.rig = r.following()
		return s.rig.showDecision(Decision{}, nil)
	case "state":
		return r.showState()
	case "search":
		return r.showSearch()
	case "look":
		return r.lookAt(strings.ReplaceAll(a["inside"], ",", " "))
	}
	return r.showDecision(r.do(s.command(d.Cmd, a)))
}

// stepRouting says where new work goes from now on.
func (r *rig) stepRouting(a args) string {
	r.route(deployment.SetRamping{}, deployment.SetCurrent{BuildID: a["current"]})
	if a.has("ramping") {
		r.route(deployment.SetRamping{BuildID: a["ramping"], Percentage: float32(a.number("percentage"))})
	}
	return fmt.Sprintf("revision %d\n", r.shop.Routing.Revision)
}

// advance moves time by an amount, or to the next wake-up.
func (r *rig) advance(a args) {
	if a.has("by") {
		r.now = r.now.Add(a.duration("by"))
		return
	}
	if wake := r.s.Work(r.now).WakeAt; wake.After(r.now) {
		r.now = wake
	}
}

func setLimits(l *Limits, a args) {
	for key := range a {
		n := a.number(key)
		fields := map[string]*int{
			"blob": &l.BlobBytes, "memo": &l.MemoBytes, "id": &l.IDBytes, "activities": &l.PendingActivities, "children": &l.PendingChildren,
			"external-signals": &l.PendingSignals, "external-cancels": &l.PendingCancels, "buffered": &l.BufferedEvents,
			"buffered-bytes": &l.BufferedBytes, "in-flight": &l.UpdatesInFlight, "activity-failure": &l.ActivityFailureBytes,
			"blob-warn": &l.BlobBytesWarn, "memo-warn": &l.MemoBytesWarn, "state": &l.StateBytes, "state-warn": &l.StateBytesWarn,
			"update-bytes": &l.UpdateBytesInFlight, "activity-failure-warn": &l.ActivityFailureBytesWarn, "reset-points": &l.ResetPoints, "callbacks": &l.Callbacks, "callbacks-of-update": &l.CallbacksPerUpdate,
		}
		wide := map[string]*int64{
			"signals": &l.Signals, "updates": &l.Updates, "suggest-bytes": &l.HistoryBytesSuggest, "suggest-events": &l.HistoryEventsSuggest,
			"history-bytes": &l.HistoryBytes, "history-events": &l.HistoryEvents,
			"history-bytes-warn": &l.HistoryBytesWarn, "history-events-warn": &l.HistoryEventsWarn, "transaction": &l.TransactionBytes,
		}
		switch {
		case fields[key] != nil:
			*fields[key] = int(n)
		case wide[key] != nil:
			*wide[key] = n
		default:
			panic("no such limit: " + key)
		}
	}
}

func startOf(a args) Start {
	r := startRequest()
	r.RequestId = a.text("request", "start")
	r.WorkflowExecutionTimeout, r.WorkflowRunTimeout = a.wire("execution-timeout"), a.wire("run-timeout")
	r.WorkflowTaskTimeout, r.WorkflowStartDelay = a.wire("task-timeout"), a.wire("delay")
	r.CronSchedule, r.RetryPolicy, r.Input = strings.ReplaceAll(a["cron"], "_", " "), a.retryPolicy(), text(a["input"])
	r.CompletionCallbacks = a.callbacks()
	r.VersioningOverride, r.Memo = overrideOf(a["override"]), a.memo()
	r.EagerWorkerDeploymentOptions = optionsOf(shop(a["eager-as"]))
	c := Start{Request: r, Eager: a.has("eager")}
	if a.has("signal") {
		c.Signal = &Signal{Name: a["signal"], RequestID: r.RequestId}
	}
	if a.has("update") {
		c.Update = &AdmitUpdate{Request: updateRequest(a["update"])}
	}
	if a.has("parent") {
		c.Parent = &Parent{Namespace: "ns", NamespaceID: "ns-id", Execution: execution(a["parent"], "parent-run"), InitiatedEventID: 5, Root: execution(a["parent"], "parent-run")}
	}
	if a.has("origin") {
		c.Origin = spans.Origin{Context: spans.ParseContext(traceparent, "vendor=1")}
	}
	return c
}

const traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"

func updateRequest(id string) *updatepb.Request {
	return &updatepb.Request{Meta: &updatepb.Meta{UpdateId: id, Identity: "client"}, Input: &updatepb.Input{Name: "change"}}
}

// command reads the steps that are a command by themselves.
func (s *story) command(name string, a args) Command {
	r := s.rig
	switch name {
	case "signal":
		return Signal{Name: a.text("name", "s"), Input: a.blob("input"), RequestID: a["request"], ChildOf: a["child-of"], WithStart: a.has("with-start")}
	case "cancel":
		return RequestCancel{Cause: a["cause"], RequestID: a["request"], ChildOf: a["child-of"]}
	case "terminate":
		return Terminate{Reason: a.text("reason", "enough"), Identity: "client", ChildOf: a["child-of"]}
	case "pause":
		return PauseRun{Identity: "operator", Reason: a["reason"], RequestID: a["request"]}
	case "unpause":
		return UnpauseRun{Identity: "operator", Reason: a["reason"], RequestID: a["request"]}
	case "attach":
		return AttachRequest{RequestID: a["request"], Identity: "client", Callbacks: a.callbacks()}
	case "call":
		return r.callAnswered(a)
	case "fail-task":
		if a.has("token") {
			r.lastStart = s.tokens[a["token"]]
		}
		return FailTask{
			ScheduledEventID: r.lastStart.ScheduledEventID, StartedEventID: r.lastStart.StartedEventID, Stamp: r.lastStart.Stamp,
			Cause: taskFailedCause(a.text("cause", "WorkflowWorkerUnhandledFailure")), Identity: "worker",
		}
	case "options":
		return UpdateOptions{
			Options: &workflowpb.WorkflowExecutionOptions{VersioningOverride: overrideOf(a["override"])}, Mask: []string{"versioning_override"}, Identity: "client",
		}
	case "refuse-sticky":
		return RefuseSticky{ScheduledEventID: r.s.Task.ScheduledEventID, Stamp: r.s.Task.Stamp}
	case "reset-sticky":
		return ResetSticky{}
	case "update":
		return AdmitUpdate{Request: a.update()}
	case "parent-notified":
		return ParentNotified{}
	case "close-policy-done":
		return ClosePolicyDone{}
	}
	if c := r.activityCommand(name, a); c != nil {
		return c
	}
	if c := operatorCommand(name, a); c != nil {
		return c
	}
	return remoteCommand(name, a)
}

func (r *rig) activityCommand(name string, a args) Command {
	ref := r.started[a["id"]]
	if a.has("by-id") {
		ref = ActivityRef{ActivityID: a["id"]}
	}
	switch name {
	case "heartbeat":
		return HeartbeatActivity{Activity: ref, Details: a.blob("details")}
	case "complete-activity":
		return CompleteActivity{Activity: ref, Result: text(a["result"]), Identity: "worker"}
	case "fail-activity":
		return FailActivity{Activity: ref, Failure: a.failure(), HeartbeatDetails: text(a["details"]), Identity: "worker"}
	case "activity-canceled":
		return CancelActivity{Activity: ref, Identity: "worker"}
	}
	return nil
}

// operatorCommand reads what operators do with activities.
func operatorCommand(name string, a args) Command {
	selected := ActivitySelector{ID: a["id"], Type: a["type"], All: a.has("all")}
	switch name {
	case "pause-activity":
		return PauseActivity{Select: selected, Identity: "operator", Reason: a["reason"], RequestID: a["request"], Once: a.has("once")}
	case "unpause-activity":
		return UnpauseActivity{Select: selected, ResetAttempts: a.has("reset-attempts"), ResetHeartbeat: a.has("reset-heartbeat"), Delay: a.duration("delay")}
	case "reset-activity":
		return ResetActivity{
			Select: selected, ResetHeartbeat: a.has("reset-heartbeat"), KeepPaused: a.has("keep-paused"), RestoreOriginal: a.has("restore"), Delay: a.duration("delay"),
		}
	case "activity-options":
		c := UpdateActivityOptions{Select: selected, RestoreOriginal: a.has("restore"), Options: &activitypb.ActivityOptions{
			StartToCloseTimeout: a.wire("start-to-close"), HeartbeatTimeout: a.wire("heartbeat"), RetryPolicy: a.retryPolicy(),
		}}
		for option, path := range map[string]string{
			"start-to-close": "start_to_close_timeout", "heartbeat": "heartbeat_timeout", "attempts": "retry_policy.maximum_attempts", "initial": "retry_policy.initial_interval",
		} {
			if a.has(option) {
				c.Mask = append(c.Mask, path)
			}
		}
		return c
	}
	return nil
}

func remoteCommand(name string, a args) Command {
	event := a.number("event")
	switch name {
	case "child-started":
		return ChildStarted{InitiatedEventID: event, RunID: a.text("run", "child-run")}
	case "child-start-failed":
		return ChildStartFailed{InitiatedEventID: event, Cause: enumspb.START_CHILD_WORKFLOW_EXECUTION_FAILED_CAUSE_WORKFLOW_ALREADY_EXISTS}
	case "child-closed":
		return ChildClosed{InitiatedEventID: event, FirstRunID: "child-run", RunID: a.text("run", "child-run"), CloseEvent: closeEvent(a.text("how", "completed"))}
	case "signal-delivered":
		c := SignalDelivered{InitiatedEventID: event}
		if a.has("failed") {
			c.Failed = enumspb.SIGNAL_EXTERNAL_WORKFLOW_EXECUTION_FAILED_CAUSE_EXTERNAL_WORKFLOW_EXECUTION_NOT_FOUND
		}
		return c
	case "cancel-delivered":
		c := CancelDelivered{InitiatedEventID: event}
		if a.has("failed") {
			c.Failed = enumspb.CANCEL_EXTERNAL_WORKFLOW_EXECUTION_FAILED_CAUSE_EXTERNAL_WORKFLOW_EXECUTION_NOT_FOUND
		}
		return c
	}
	panic("no such step: " + name)
}

func closeEvent(how string) *historypb.HistoryEvent {
	e := &historypb.HistoryEvent{EventId: 9}
	switch how {
	case "completed":
		e.Attributes = &historypb.HistoryEvent_WorkflowExecutionCompletedEventAttributes{WorkflowExecutionCompletedEventAttributes: &historypb.WorkflowExecutionCompletedEventAttributes{Result: text("done")}}
	case "failed":
		e.Attributes = &historypb.HistoryEvent_WorkflowExecutionFailedEventAttributes{WorkflowExecutionFailedEventAttributes: &historypb.WorkflowExecutionFailedEventAttributes{Failure: args{}.failure(), RetryState: enumspb.RETRY_STATE_RETRY_POLICY_NOT_SET}}
	case "canceled":
		e.Attributes = &historypb.HistoryEvent_WorkflowExecutionCanceledEventAttributes{WorkflowExecutionCanceledEventAttributes: &historypb.WorkflowExecutionCanceledEventAttributes{}}
	case "timed-out":
		e.Attributes = &historypb.HistoryEvent_WorkflowExecutionTimedOutEventAttributes{WorkflowExecutionTimedOutEventAttributes: &historypb.WorkflowExecutionTimedOutEventAttributes{RetryState: enumspb.RETRY_STATE_TIMEOUT}}
	case "terminated":
		e.Attributes = &historypb.HistoryEvent_WorkflowExecutionTerminatedEventAttributes{WorkflowExecutionTerminatedEventAttributes: &historypb.WorkflowExecutionTerminatedEventAttributes{}}
	default:
		panic("no such close: " + how)
	}
	return e
}
