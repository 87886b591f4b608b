package execution

import (
	"strings"
	"time"

	commonpb "go.temporal.io/api/common/v1"
	"google.golang.org/protobuf/types/known/durationpb"

	"perdure/server/activity"

	"github.com/google/uuid"
	"github.com/robfig/cron/v3"
	"go.temporal.io/api/serviceerror"
)

func execution(workflowID, runID string) *commonpb.WorkflowExecution {
	return &commonpb.WorkflowExecution{WorkflowId: workflowID, RunId: runID}
}

func isUUID(text string) bool { return uuid.Validate(text) == nil }

// runTimeouts are the three time-outs of a workflow after their rules; 0 is without end.
type runTimeouts struct{ execution, run, task time.Duration }

// normaliseRunTimeouts caps: a run cannot outlast its execution nor a task its run.
func normaliseRunTimeouts(execution, run, task *durationpb.Duration, limits Limits) runTimeouts {
	t := runTimeouts{activity.Cap(execution), activity.Cap(run), activity.Cap(task)}
	if t.execution > 0 && (t.run == 0 || t.run > t.execution) {
		t.run = t.execution
	}
	if t.task == 0 {
		t.task = limits.TaskTimeoutDefault
	}
	t.task = min(t.task, limits.TaskTimeoutMax)
	if t.run > 0 {
		t.task = min(t.task, t.run)
	}
	return t
}

// ValidateCron checks the cron_schedule of a workflow: five fields, "@every" and the like, "CRON_TZ=" before it.
func ValidateCron(schedule string) error {
	if schedule == "" {
		return nil
	}
	if _, err := cron.ParseStandard(schedule); err != nil {
		return serviceerror.NewInvalidArgument("invalid CronSchedule.")
	}
	return nil
}

// cronBackoff is the time from now to the next start. An interval schedule
// counts from the start of the run, so that runs keep their beat.
func cronBackoff(schedule string, start, now time.Time) (time.Duration, bool) {
	if schedule == "" {
		return 0, false
	}
	parsed, err := cron.ParseStandard(schedule)
	if err != nil {
		return 0, false
	}
	next := start.UTC()
	if strings.HasPrefix(schedule, "@every") {
		for next = parsed.Next(next); next.Before(now); next = parsed.Next(next) {
			if gap := parsed.Next(next).Sub(next); gap > 0 && now.Sub(next) > gap {
				next = next.Add(now.Sub(next) / gap * gap)
			}
		}
	} else {
		next = parsed.Next(now.UTC())
	}
	backoff := next.Sub(now)
	// Whole seconds: a cron schedule has no finer beat, and the sum must not drift.
	return (backoff + time.Second - 1).Truncate(time.Second), true
}
