// Package activity holds the rules that activities of workflows and standalone
// activities share: retry policies, time-outs. It is pure.
package activity

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	failurepb "go.temporal.io/api/failure/v1"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"
)

// Defaults of a retry policy, field by field.
const (
	DefaultInitialInterval    = time.Second
	DefaultBackoffCoefficient = 2.0
	// DefaultMaximumIntervalFactor times the initial interval is the default maximum.
	DefaultMaximumIntervalFactor = 100
)

// MaxDuration caps every duration a client gives: 100 years.
const MaxDuration = 100 * 365 * 24 * time.Hour

// timeoutErrorPrefix marks entries of NonRetryableErrorTypes that name a timeout type.
const timeoutErrorPrefix = "TemporalTimeout:"

// FillRetryPolicy returns the policy with every unset field at its default. Nil gives the default policy.
func FillRetryPolicy(policy *commonpb.RetryPolicy) *commonpb.RetryPolicy {
	filled := &commonpb.RetryPolicy{}
	if policy != nil {
		filled = proto.CloneOf(policy)
	}
	if filled.InitialInterval.AsDuration() == 0 {
		filled.InitialInterval = durationpb.New(DefaultInitialInterval)
	}
	if filled.BackoffCoefficient == 0 {
		filled.BackoffCoefficient = DefaultBackoffCoefficient
	}
	if filled.MaximumInterval.AsDuration() == 0 {
		filled.MaximumInterval = durationpb.New(scale(filled.InitialInterval.AsDuration(), DefaultMaximumIntervalFactor))
	}
	filled.InitialInterval, filled.MaximumInterval = Capped(filled.InitialInterval), Capped(filled.MaximumInterval)
	return filled
}

// scale multiplies without overflow.
func scale(d time.Duration, factor float64) time.Duration {
	product := float64(d) * factor
	if product >= math.MaxInt64 || math.IsNaN(product) {
		return math.MaxInt64
	}
	return time.Duration(product)
}

// ValidateRetryPolicy checks a policy that a client gave, before defaults are filled in.
func ValidateRetryPolicy(policy *commonpb.RetryPolicy) error {
	if policy == nil || policy.MaximumAttempts == 1 {
		return nil // with one attempt the rest does not matter
	}
	if err := validInterval("InitialInterval", policy.InitialInterval); err != nil {
		return err
	}
	if c := policy.BackoffCoefficient; c != 0 && c < 1 {
		return errors.New("BackoffCoefficient cannot be less than 1 on retry policy.")
	}
	if err := validInterval("MaximumInterval", policy.MaximumInterval); err != nil {
		return err
	}
	maximum := policy.MaximumInterval.AsDuration()
	if maximum > 0 && maximum < policy.InitialInterval.AsDuration() {
		return errors.New("MaximumInterval cannot be less than InitialInterval on retry policy.")
	}
	if policy.MaximumAttempts < 0 {
		return errors.New("MaximumAttempts cannot be negative on retry policy.")
	}
	return validErrorTypes(policy.NonRetryableErrorTypes)
}

func validInterval(name string, d *durationpb.Duration) error {
	if d == nil {
		return nil
	}
	if err := ValidDuration(d); err != nil {
		return fmt.Errorf("invalid %s set on retry policy: %w", name, err)
	}
	return nil
}

func validErrorTypes(types []string) error {
	for _, t := range types {
		name, isTimeout := strings.CutPrefix(t, timeoutErrorPrefix)
		if !isTimeout {
			continue
		}
		if _, err := enumspb.TimeoutTypeFromString(name); err != nil {
			return fmt.Errorf("Invalid timeout type value: %v.", name)
		}
	}
	return nil
}

// ValidDuration refuses durations that are negative or not valid messages.
func ValidDuration(d *durationpb.Duration) error {
	if d == nil {
		return nil
	}
	if d.Seconds < 0 || d.Nanos < 0 {
		return errors.New("negative duration")
	}
	if err := d.CheckValid(); err != nil {
		return err
	}
	return nil
}

// Cap returns the duration, at most MaxDuration.
func Cap(d *durationpb.Duration) time.Duration {
	if d != nil && d.Seconds >= int64(MaxDuration/time.Second) {
		return MaxDuration
	}
	return d.AsDuration()
}

// Capped returns d, or when it is longer than MaxDuration that; nil stays nil.
func Capped(d *durationpb.Duration) *durationpb.Duration {
	if d == nil || Cap(d) == d.AsDuration() {
		return d
	}
	return durationpb.New(MaxDuration)
}

// Retry is the answer to a failed attempt.
type Retry struct {
	State    enumspb.RetryState // IN_PROGRESS: try again after Interval
	Interval time.Duration
}

// Attempt describes the attempt that failed.
type Attempt struct {
	Policy   *commonpb.RetryPolicy // filled; nil: no policy
	Number   int32                 // of the failed attempt, from 1
	Now      time.Time
	Deadline time.Time // no attempt may start at or after it; zero: none
	Failure  *failurepb.Failure
	// CapDelay limits a delay asked for by the failure to the policy's maximum interval, as workflows do.
	CapDelay bool
}

// Decide says whether the attempt is followed by another.
func (a Attempt) Decide() Retry {
	switch {
	case a.Policy == nil:
		return Retry{State: enumspb.RETRY_STATE_RETRY_POLICY_NOT_SET}
	case !retryable(a.Failure, a.Policy.NonRetryableErrorTypes):
		return Retry{State: enumspb.RETRY_STATE_NON_RETRYABLE_FAILURE}
	case a.Policy.MaximumAttempts > 0 && a.Number >= a.Policy.MaximumAttempts:
		return Retry{State: enumspb.RETRY_STATE_MAXIMUM_ATTEMPTS_REACHED}
	}
	interval := min(max(a.interval(), 0), MaxDuration)
	if !a.Deadline.IsZero() && a.Now.Add(interval).After(a.Deadline) {
		return Retry{State: enumspb.RETRY_STATE_TIMEOUT}
	}
	return Retry{State: enumspb.RETRY_STATE_IN_PROGRESS, Interval: interval}
}

func (a Attempt) interval() time.Duration {
	maximum := a.Policy.MaximumInterval.AsDuration()
	if asked := a.Failure.GetApplicationFailureInfo().GetNextRetryDelay(); asked != nil {
		delay := asked.AsDuration()
		if a.CapDelay && maximum > 0 {
			return min(delay, maximum)
		}
		return delay
	}
	power := math.Pow(a.Policy.BackoffCoefficient, float64(a.Number-1))
	interval := scale(a.Policy.InitialInterval.AsDuration(), power)
	if maximum > 0 && (interval > maximum || interval <= 0) {
		return maximum
	}
	return interval
}

// retryable tells whether the kind of failure allows another attempt.
func retryable(f *failurepb.Failure, nonRetryable []string) bool {
	if f == nil {
		return true
	}
	if f.GetTerminatedFailureInfo() != nil || f.GetCanceledFailureInfo() != nil {
		return false
	}
	if t := f.GetTimeoutFailureInfo(); t != nil {
		if t.TimeoutType != enumspb.TIMEOUT_TYPE_START_TO_CLOSE && t.TimeoutType != enumspb.TIMEOUT_TYPE_HEARTBEAT {
			return false
		}
		return !slices.Contains(nonRetryable, timeoutErrorPrefix+t.TimeoutType.String())
	}
	if s := f.GetServerFailureInfo(); s != nil {
		return !s.NonRetryable
	}
	if app := f.GetApplicationFailureInfo(); app != nil {
		return !app.NonRetryable && !slices.Contains(nonRetryable, app.Type)
	}
	return true
}
