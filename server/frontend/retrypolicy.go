package frontend

import (
	"math"
	"strings"
	"time"

	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	"google.golang.org/protobuf/types/known/durationpb"

	"perdure/server/apierr"
)

const (
	retryInitialDefault     = time.Second
	retryCoefficientDefault = 2.0
	retryMaximumFactor      = 100 // maximum interval = this times the initial one
	timeoutTypePrefix       = "TemporalTimeout:"
)

// checkRetryPolicy fills in the fields a client left out, and refuses policies
// that cannot be followed. A policy with one attempt is never followed, so
// anything goes.
func checkRetryPolicy(p *commonpb.RetryPolicy) error {
	if p == nil {
		return nil
	}
	fillRetryPolicy(p)
	if p.GetMaximumAttempts() == 1 {
		return nil
	}
	initial, maximum := p.GetInitialInterval().AsDuration(), p.GetMaximumInterval().AsDuration()
	switch {
	case initial < 0:
		return apierr.InvalidArgument("invalid InitialInterval set on retry policy: negative duration")
	case p.GetBackoffCoefficient() < 1:
		return apierr.InvalidArgument("BackoffCoefficient cannot be less than 1 on retry policy.")
	case maximum < 0:
		return apierr.InvalidArgument("invalid MaximumInterval set on retry policy: negative duration")
	case maximum < initial:
		return apierr.InvalidArgument("MaximumInterval cannot be less than InitialInterval on retry policy.")
	case p.GetMaximumAttempts() < 0:
		return apierr.InvalidArgument("MaximumAttempts cannot be negative on retry policy.")
	}
	return checkTimeoutTypes(p.GetNonRetryableErrorTypes())
}

func fillRetryPolicy(p *commonpb.RetryPolicy) {
	if p.GetInitialInterval().AsDuration() == 0 {
		p.InitialInterval = durationpb.New(retryInitialDefault)
	}
	if p.GetBackoffCoefficient() == 0 {
		p.BackoffCoefficient = retryCoefficientDefault
	}
	if p.GetMaximumInterval().AsDuration() == 0 {
		p.MaximumInterval = durationpb.New(maximumIntervalOf(p.GetInitialInterval().AsDuration()))
	}
}

// maximumIntervalOf is the default maximum. One that does not fit becomes
// negative, so that it is refused.
func maximumIntervalOf(initial time.Duration) time.Duration {
	if initial > math.MaxInt64/retryMaximumFactor {
		return -1
	}
	return initial * retryMaximumFactor
}

func checkTimeoutTypes(types []string) error {
	for _, name := range types {
		timeout, found := strings.CutPrefix(name, timeoutTypePrefix)
		if !found {
			continue
		}
		if _, err := enumspb.TimeoutTypeFromString(timeout); err != nil {
			return apierr.InvalidArgument("Invalid timeout type value: %s.", timeout)
		}
	}
	return nil
}
