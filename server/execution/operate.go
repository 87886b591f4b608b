package execution

import (
	"slices"
	"strings"
	"time"

	activitypb "go.temporal.io/api/activity/v1"
	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	historypb "go.temporal.io/api/history/v1"
	"go.temporal.io/api/serviceerror"
	taskqueuepb "go.temporal.io/api/taskqueue/v1"
	workflowpb "go.temporal.io/api/workflow/v1"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"

	"perdure/server/activity"
	"perdure/server/match"
	"perdure/visibility/attr"
)

// ActivitySelector names pending activities: one by its id, those of a type, or all.
type ActivitySelector struct {
	ID   string
	Type string
	All  bool
}

// PauseActivity keeps activities from being started until they are unpaused. Reply: nil.
type PauseActivity struct {
	Select           ActivitySelector
	Identity, Reason string
	RequestID        string
	// Once refuses to pause what another request has paused.
	Once bool
}

// UnpauseActivity lets activities go on. Reply: nil.
type UnpauseActivity struct {
	Select         ActivitySelector
	ResetAttempts  bool
	ResetHeartbeat bool
	// Delay holds each of them back: a random part of the asked jitter.
	Delay time.Duration
}

// ResetActivity begins the attempts of activities anew. Reply: nil.
type ResetActivity struct {
	Select          ActivitySelector
	ResetHeartbeat  bool
	KeepPaused      bool
	RestoreOriginal bool
	Delay           time.Duration
}

// UpdateActivityOptions changes options of pending activities. Reply: *activitypb.ActivityOptions.
type UpdateActivityOptions struct {
	Select          ActivitySelector
	Options         *activitypb.ActivityOptions
	Mask            []string // paths in snake case
	RestoreOriginal bool
}

// UpdateOptions changes options of the run. Reply: *workflowpb.WorkflowExecutionOptions.
type UpdateOptions struct {
	Options  *workflowpb.WorkflowExecutionOptions
	Mask     []string // paths in snake case
	Identity string
}

func (PauseActivity) command()         {}
func (UnpauseActivity) command()       {}
func (ResetActivity) command()         {}
func (UpdateActivityOptions) command() {}
func (UpdateOptions) command()         {}

// decideOperation takes the commands of operators. False: it is none of them.
func (t *transition) decideOperation(c Command) (known bool, err error) {
	switch c := c.(type) {
	case PauseActivity:
		return true, t.pauseActivity(c)
	case UnpauseActivity:
		return true, t.unpauseActivity(c)
	case ResetActivity:
		return true, t.resetActivity(c)
	case UpdateActivityOptions:
		return true, t.updateActivityOptions(c)
	case UpdateOptions:
		return true, t.updateOptions(c)
	case PauseRun:
		return true, t.pauseRun(c)
	case UnpauseRun:
		return true, t.unpauseRun(c)
	}
	return false, nil
}

// selected are the activities that a selector names, free to be changed.
func (t *transition) selected(s ActivitySelector) ([]*Activity, error) {
	if !t.s.Open() {
		return nil, errCompleted()
	}
	var found []*Activity
	for _, id := range t.s.Activities.keys() {
		a := t.s.Activities.get(id)
		if s.All || (s.ID != "" && a.ActivityID == s.ID) || (s.Type != "" && a.attributes().GetActivityType().GetName() == s.Type) {
			found = append(found, t.s.Activities.edit(id))
		}
	}
	if len(found) == 0 {
		return nil, serviceerror.NewNotFound("Can't find pending activity with such ID. Invalid activityID or activity already completed")
	}
	t.durable = true
	return found, nil
}

func (t *transition) pauseActivity(c PauseActivity) error {
	found, err := t.selected(c.Select)
	for _, a := range found {
		if a.Paused && c.Once && (c.RequestID == "" || c.RequestID != a.PauseRequestID) {
			return serviceerror.NewFailedPrecondition("activity is already paused")
		}
		if a.Paused {
			continue
		}
		a.Paused, a.PauseTime, a.PauseIdentity, a.PauseReason, a.PauseRequestID = true, t.env.Now, c.Identity, c.Reason, c.RequestID
		t.grown += len(c.Identity) + len(c.Reason) + len(c.RequestID)
		if a.StartedTime.IsZero() {
			a.Stamp = t.stamp() // an offer that is out is not to be taken
		}
		t.visibility = true
	}
	return err
}

func (t *transition) unpauseActivity(c UnpauseActivity) error {
	found, err := t.selected(c.Select)
	for _, a := range found {
		if c.ResetAttempts {
			a.Attempt, a.LastAttemptEnd = 1, time.Time{}
		}
		if c.ResetHeartbeat {
			a.HeartbeatDetails, a.HeartbeatTime = nil, time.Time{}
		}
		if a.Paused {
			a.unpause()
			t.visibility = true
			t.startAgain(a, c.Delay)
		}
	}
	return err
}

func (a *Activity) unpause() {
	a.Paused, a.PauseTime, a.PauseIdentity, a.PauseReason, a.PauseRequestID = false, time.Time{}, "", "", ""
}

// startAgain offers an activity that no worker has anew.
func (t *transition) startAgain(a *Activity, delay time.Duration) {
	if !a.StartedTime.IsZero() {
		return
	}
	a.AttemptTime = t.env.Now.Add(delay)
	a.Stamp = t.stamp()
	t.assignActivity(a)
}

func (t *transition) resetActivity(c ResetActivity) error {
	found, err := t.selected(c.Select)
	for _, a := range found {
		if c.ResetHeartbeat {
			a.HeartbeatDetails, a.HeartbeatTime = nil, time.Time{}
		}
		if c.RestoreOriginal {
			a.Options = nil
		}
		if a.Paused && !c.KeepPaused {
			a.unpause()
			t.visibility = true
		}
		t.resetAttempts(a, c.Delay)
	}
	return err
}

// resetAttempts begins the attempts anew. A worker in its first attempt is
// told by its next heartbeat; one in a later attempt has lost its claim.
func (t *transition) resetAttempts(a *Activity, delay time.Duration) {
	if !a.StartedTime.IsZero() && a.Attempt == 1 {
		a.ResetRequested = true
		return
	}
	a.Attempt, a.LastFailure = 1, nil
	a.StartedTime, a.RequestID, a.LastAttemptEnd, a.RetryIntervalNano = time.Time{}, "", time.Time{}, 0
	t.startAgain(a, delay)
}

func (t *transition) updateActivityOptions(c UpdateActivityOptions) error {
	found, err := t.selected(c.Select)
	if err != nil {
		return err
	}
	for _, a := range found {
		if c.RestoreOriginal {
			a.Options = nil
		} else if err := t.mergeOptions(a, c.Options, c.Mask); err != nil {
			return err
		}
		if a.StartedTime.IsZero() {
			a.Stamp = t.stamp()
			t.assignActivity(a) // its queue may be another
		}
		reply := a.describeOptions()
		if !c.RestoreOriginal {
			reply.TaskQueue.Kind = enumspb.TASK_QUEUE_KIND_NORMAL
		}
		t.reply = reply
	}
	return nil
}

// mergeOptions writes the masked options over those the activity has.
func (t *transition) mergeOptions(a *Activity, o *activitypb.ActivityOptions, mask []string) error {
	merged := proto.CloneOf(a.attributes())
	for _, path := range mask {
		if err := mergeOption(merged, o, path, t.env.Limits.IDBytes); err != nil {
			return err
		}
	}
	timeouts, err := activity.ParseTimeouts(merged.ScheduleToCloseTimeout, merged.ScheduleToStartTimeout, merged.StartToCloseTimeout, merged.HeartbeatTimeout)
	if err == nil {
		timeouts, err = timeouts.Normalise(duration(t.s.StartedAttributes().GetWorkflowRunTimeout()))
	}
	if err == nil {
		err = activity.ValidateRetryPolicy(merged.RetryPolicy)
	}
	if err != nil {
		return serviceerror.NewInvalidArgument(err.Error())
	}
	merged.ScheduleToCloseTimeout, merged.ScheduleToStartTimeout = durationpb.New(timeouts.ScheduleToClose), durationpb.New(timeouts.ScheduleToStart)
	merged.StartToCloseTimeout, merged.HeartbeatTimeout = durationpb.New(timeouts.StartToClose), durationpb.New(timeouts.Heartbeat)
	merged.RetryPolicy = activity.FillRetryPolicy(merged.RetryPolicy)
	a.Options = merged
	t.grow(merged)
	return nil
}

// mergeOption writes one option. Unknown paths name nothing that could change.
func mergeOption(merged *historypb.ActivityTaskScheduledEventAttributes, o *activitypb.ActivityOptions, path string, idBytes int) error {
	switch path {
	case "task_queue.name", "task_queue":
		if reason := checkQueue(o.GetTaskQueue(), idBytes); reason != "" {
			return serviceerror.NewInvalidArgument(reason)
		}
		merged.TaskQueue = &taskqueuepb.TaskQueue{Name: o.GetTaskQueue().GetName(), Kind: enumspb.TASK_QUEUE_KIND_NORMAL}
	case "schedule_to_close_timeout":
		merged.ScheduleToCloseTimeout = o.GetScheduleToCloseTimeout()
	case "schedule_to_start_timeout":
		merged.ScheduleToStartTimeout = o.GetScheduleToStartTimeout()
	case "start_to_close_timeout":
		merged.StartToCloseTimeout = o.GetStartToCloseTimeout()
	case "heartbeat_timeout":
		merged.HeartbeatTimeout = o.GetHeartbeatTimeout()
	case "priority":
		if reason := match.WrongPriority(o.GetPriority()); reason != "" {
			return serviceerror.NewInvalidArgument(reason)
		}
		merged.Priority = o.GetPriority()
	case "retry_policy":
		merged.RetryPolicy = o.GetRetryPolicy()
	default:
		mergeRetryOption(merged, o.GetRetryPolicy(), strings.TrimPrefix(path, "retry_policy."))
	}
	return nil
}

func mergeRetryOption(merged *historypb.ActivityTaskScheduledEventAttributes, p *commonpb.RetryPolicy, field string) {
	policy := proto.CloneOf(merged.RetryPolicy)
	if policy == nil {
		policy = &commonpb.RetryPolicy{}
	}
	switch field {
	case "initial_interval":
		policy.InitialInterval = p.GetInitialInterval()
	case "backoff_coefficient":
		policy.BackoffCoefficient = p.GetBackoffCoefficient()
	case "maximum_interval":
		policy.MaximumInterval = p.GetMaximumInterval()
	case "maximum_attempts":
		policy.MaximumAttempts = p.GetMaximumAttempts()
	case "non_retryable_error_types":
		policy.NonRetryableErrorTypes = p.GetNonRetryableErrorTypes()
	}
	merged.RetryPolicy = policy
}

func (a *Activity) describeOptions() *activitypb.ActivityOptions {
	o := a.attributes()
	return &activitypb.ActivityOptions{
		TaskQueue:              &taskqueuepb.TaskQueue{Name: o.GetTaskQueue().GetName()},
		ScheduleToCloseTimeout: o.GetScheduleToCloseTimeout(), ScheduleToStartTimeout: o.GetScheduleToStartTimeout(),
		StartToCloseTimeout: o.GetStartToCloseTimeout(), HeartbeatTimeout: o.GetHeartbeatTimeout(),
		RetryPolicy: o.GetRetryPolicy(), Priority: o.GetPriority(),
	}
}

func (t *transition) updateOptions(c UpdateOptions) error {
	if !t.s.Open() {
		return errCompleted()
	}
	former := t.s.shownOverride()
	a := &historypb.WorkflowExecutionOptionsUpdatedEventAttributes{Identity: c.Identity, VersioningOverride: former}
	a.Priority = t.s.Priority // all options are told, as they are from now on
	changed := false
	if slices.Contains(c.Mask, "priority") || slices.ContainsFunc(c.Mask, func(p string) bool { return strings.HasPrefix(p, "priority.") }) {
		a.Priority = c.Options.GetPriority()
		changed = changed || !proto.Equal(a.Priority, t.s.Priority)
	}
	if slices.Contains(c.Mask, "versioning_override") {
		override, err := t.resolveOverride(c.Options.GetVersioningOverride())
		if err != nil {
			return err
		}
		a.VersioningOverride = override
		if !proto.Equal(override, former) {
			changed, t.visibility = true, true // search tells it at once, even while its event waits for a started task to end
		}
	} else if err := t.checkMember(c.Options.GetVersioningOverride()); err != nil {
		return err // a mistake in what the mask leaves out is told, too
	}
	a.UnsetVersioningOverride = a.VersioningOverride == nil
	t.reply = &workflowpb.WorkflowExecutionOptions{Priority: a.Priority, VersioningOverride: a.VersioningOverride}
	if !changed {
		return nil
	}
	e := t.event(enumspb.EVENT_TYPE_WORKFLOW_EXECUTION_OPTIONS_UPDATED)
	e.WorkerMayIgnore = true
	e.Attributes = &historypb.HistoryEvent_WorkflowExecutionOptionsUpdatedEventAttributes{WorkflowExecutionOptionsUpdatedEventAttributes: a}
	t.rerouting(func() {
		t.record(e)
		if a.Priority != nil { // takes effect also while its event still waits for a started task to end
			t.s.Priority = a.Priority
		}
	})
	return nil
}

// ShownSearchAttributes are the run's attributes with those that the server
// keeps of its own about pauses and problems, which no event tells.
func (s *State) ShownSearchAttributes() *commonpb.SearchAttributes {
	own := make(map[string]*commonpb.Payload)
	s.versionAttributes(own)
	if paused := append(s.pausedRun(), s.pausedTypes()...); len(paused) > 0 {
		own["TemporalPauseInfo"] = attr.Encode(paused, enumspb.INDEXED_VALUE_TYPE_KEYWORD_LIST)
	}
	if s.Open() && len(s.Problems) > 0 {
		own["TemporalReportedProblems"] = attr.Encode(s.Problems, enumspb.INDEXED_VALUE_TYPE_KEYWORD_LIST)
	}
	if len(own) == 0 {
		return s.SearchAttributes
	}
	return attr.Merge(s.SearchAttributes, &commonpb.SearchAttributes{IndexedFields: own})
}

func (s *State) pausedRun() []string {
	if s.Pause == nil {
		return nil
	}
	return []string{"Workflow:" + s.WorkflowID, "Reason:" + s.Pause.Reason}
}

func (s *State) pausedTypes() []string {
	var types []string
	for _, a := range s.Activities.values() {
		entry := "property:activityType=" + a.attributes().GetActivityType().GetName()
		if a.Paused && !slices.Contains(types, entry) {
			types = append(types, entry)
		}
	}
	return types
}
