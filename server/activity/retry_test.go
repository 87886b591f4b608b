package activity

import (
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	failurepb "go.temporal.io/api/failure/v1"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"
	"pgregory.net/rapid"
)

var now = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

func application(info *failurepb.ApplicationFailureInfo) *failurepb.Failure {
	return &failurepb.Failure{FailureInfo: &failurepb.Failure_ApplicationFailureInfo{ApplicationFailureInfo: info}}
}

func timeout(kind enumspb.TimeoutType) *failurepb.Failure {
	return &failurepb.Failure{FailureInfo: &failurepb.Failure_TimeoutFailureInfo{TimeoutFailureInfo: &failurepb.TimeoutFailureInfo{TimeoutType: kind}}}
}

func TestFillRetryPolicy(t *testing.T) {
	wantDefault := &commonpb.RetryPolicy{InitialInterval: durationpb.New(time.Second), BackoffCoefficient: 2, MaximumInterval: durationpb.New(100 * time.Second)}
	require.True(t, proto.Equal(wantDefault, FillRetryPolicy(nil)))
	given := &commonpb.RetryPolicy{InitialInterval: durationpb.New(3 * time.Second), MaximumAttempts: 7}
	filled := FillRetryPolicy(given)
	require.Equal(t, 300*time.Second, filled.MaximumInterval.AsDuration(), "the default maximum goes with the initial interval")
	require.EqualValues(t, 7, filled.MaximumAttempts)
	require.Nil(t, given.MaximumInterval, "what the caller gave stays as it was")
	huge := FillRetryPolicy(&commonpb.RetryPolicy{InitialInterval: durationpb.New(math.MaxInt64)})
	require.Equal(t, MaxDuration, huge.MaximumInterval.AsDuration(), "no overflow")
	require.Equal(t, MaxDuration, huge.InitialInterval.AsDuration())
}

func TestValidateRetryPolicy(t *testing.T) {
	second := durationpb.New(time.Second)
	for name, c := range map[string]struct {
		policy *commonpb.RetryPolicy
		want   string // empty: valid
	}{
		"none":                   {nil, ""},
		"empty":                  {&commonpb.RetryPolicy{}, ""},
		"all":                    {&commonpb.RetryPolicy{InitialInterval: second, BackoffCoefficient: 1, MaximumInterval: second, MaximumAttempts: 2, NonRetryableErrorTypes: []string{"X", "TemporalTimeout:Heartbeat"}}, ""},
		"one attempt":            {&commonpb.RetryPolicy{MaximumAttempts: 1, BackoffCoefficient: 0.1, InitialInterval: durationpb.New(-1)}, ""},
		"negative initial":       {&commonpb.RetryPolicy{InitialInterval: durationpb.New(-1)}, "invalid InitialInterval set on retry policy: negative duration"},
		"small coefficient":      {&commonpb.RetryPolicy{BackoffCoefficient: 0.99}, "BackoffCoefficient cannot be less than 1 on retry policy."},
		"negative maximum":       {&commonpb.RetryPolicy{MaximumInterval: durationpb.New(-1)}, "invalid MaximumInterval set on retry policy: negative duration"},
		"maximum below initial":  {&commonpb.RetryPolicy{InitialInterval: durationpb.New(2), MaximumInterval: durationpb.New(1)}, "MaximumInterval cannot be less than InitialInterval on retry policy."},
		"negative attempts":      {&commonpb.RetryPolicy{MaximumAttempts: -1}, "MaximumAttempts cannot be negative on retry policy."},
		"unknown timeout":        {&commonpb.RetryPolicy{NonRetryableErrorTypes: []string{"TemporalTimeout:Never"}}, "Invalid timeout type value: Never."},
		"duration out of bounds": {&commonpb.RetryPolicy{InitialInterval: &durationpb.Duration{Seconds: math.MaxInt64}}, "invalid InitialInterval set on retry policy: "},
	} {
		t.Run(name, func(t *testing.T) {
			err := ValidateRetryPolicy(c.policy)
			if c.want == "" {
				require.NoError(t, err)
				return
			}
			require.ErrorContains(t, err, c.want)
		})
	}
}

func TestDecide(t *testing.T) {
	policy := FillRetryPolicy(&commonpb.RetryPolicy{MaximumAttempts: 4, NonRetryableErrorTypes: []string{"Fatal", "TemporalTimeout:Heartbeat"}})
	again := func(interval time.Duration) Retry {
		return Retry{State: enumspb.RETRY_STATE_IN_PROGRESS, Interval: interval}
	}
	never := Retry{State: enumspb.RETRY_STATE_NON_RETRYABLE_FAILURE}
	delay := application(&failurepb.ApplicationFailureInfo{NextRetryDelay: durationpb.New(500 * time.Second)})
	for name, c := range map[string]struct {
		attempt Attempt
		want    Retry
	}{
		"no policy":         {Attempt{Number: 1}, Retry{State: enumspb.RETRY_STATE_RETRY_POLICY_NOT_SET}},
		"first":             {Attempt{Policy: policy, Number: 1}, again(time.Second)},
		"second":            {Attempt{Policy: policy, Number: 2}, again(2 * time.Second)},
		"third":             {Attempt{Policy: policy, Number: 3}, again(4 * time.Second)},
		"last":              {Attempt{Policy: policy, Number: 4}, Retry{State: enumspb.RETRY_STATE_MAXIMUM_ATTEMPTS_REACHED}},
		"at the maximum":    {Attempt{Policy: FillRetryPolicy(nil), Number: 8}, again(100 * time.Second)},
		"overflow":          {Attempt{Policy: FillRetryPolicy(nil), Number: math.MaxInt32}, again(100 * time.Second)},
		"no maximum":        {Attempt{Policy: &commonpb.RetryPolicy{InitialInterval: durationpb.New(time.Second), BackoffCoefficient: 2}, Number: math.MaxInt32}, again(MaxDuration)},
		"deadline met":      {Attempt{Policy: policy, Number: 1, Deadline: now.Add(time.Second)}, again(time.Second)},
		"deadline missed":   {Attempt{Policy: policy, Number: 1, Deadline: now.Add(time.Second - 1)}, Retry{State: enumspb.RETRY_STATE_TIMEOUT}},
		"delay asked for":   {Attempt{Policy: policy, Number: 1, Failure: delay}, again(500 * time.Second)},
		"delay, workflow":   {Attempt{Policy: policy, Number: 1, Failure: delay, CapDelay: true}, again(100 * time.Second)},
		"endless delay":     {Attempt{Policy: policy, Number: 1, Failure: application(&failurepb.ApplicationFailureInfo{NextRetryDelay: durationpb.New(math.MaxInt64)})}, again(MaxDuration)},
		"negative delay":    {Attempt{Policy: policy, Number: 1, Failure: application(&failurepb.ApplicationFailureInfo{NextRetryDelay: durationpb.New(-1)})}, again(0)},
		"flag":              {Attempt{Policy: policy, Number: 1, Failure: application(&failurepb.ApplicationFailureInfo{NonRetryable: true})}, never},
		"type":              {Attempt{Policy: policy, Number: 1, Failure: application(&failurepb.ApplicationFailureInfo{Type: "Fatal"})}, never},
		"other type":        {Attempt{Policy: policy, Number: 1, Failure: application(&failurepb.ApplicationFailureInfo{Type: "Mild"})}, again(time.Second)},
		"start to close":    {Attempt{Policy: policy, Number: 1, Failure: timeout(enumspb.TIMEOUT_TYPE_START_TO_CLOSE)}, again(time.Second)},
		"heartbeat, listed": {Attempt{Policy: policy, Number: 1, Failure: timeout(enumspb.TIMEOUT_TYPE_HEARTBEAT)}, never},
		"schedule to start": {Attempt{Policy: policy, Number: 1, Failure: timeout(enumspb.TIMEOUT_TYPE_SCHEDULE_TO_START)}, never},
		"canceled":          {Attempt{Policy: policy, Number: 1, Failure: &failurepb.Failure{FailureInfo: &failurepb.Failure_CanceledFailureInfo{CanceledFailureInfo: &failurepb.CanceledFailureInfo{}}}}, never},
		"terminated":        {Attempt{Policy: policy, Number: 1, Failure: &failurepb.Failure{FailureInfo: &failurepb.Failure_TerminatedFailureInfo{TerminatedFailureInfo: &failurepb.TerminatedFailureInfo{}}}}, never},
		"server":            {Attempt{Policy: policy, Number: 1, Failure: &failurepb.Failure{FailureInfo: &failurepb.Failure_ServerFailureInfo{ServerFailureInfo: &failurepb.ServerFailureInfo{}}}}, again(time.Second)},
		"server, final":     {Attempt{Policy: policy, Number: 1, Failure: &failurepb.Failure{FailureInfo: &failurepb.Failure_ServerFailureInfo{ServerFailureInfo: &failurepb.ServerFailureInfo{NonRetryable: true}}}}, never},
		"of no kind":        {Attempt{Policy: policy, Number: 1, Failure: &failurepb.Failure{Message: "?"}}, again(time.Second)},
	} {
		t.Run(name, func(t *testing.T) {
			c.attempt.Now = now
			require.Equal(t, c.want, c.attempt.Decide())
		})
	}
}

// TestIntervals: intervals grow, stay within their bounds and never overflow.
func TestIntervals(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		policy := FillRetryPolicy(&commonpb.RetryPolicy{
			InitialInterval:    durationpb.New(time.Duration(rapid.Int64Range(0, math.MaxInt64).Draw(t, "initial"))),
			BackoffCoefficient: rapid.SampledFrom([]float64{0, 1, 1.5, 2, 10, 1e9, math.MaxFloat64}).Draw(t, "coefficient"),
		})
		number := rapid.Int32Range(1, math.MaxInt32-1).Draw(t, "number")
		first := Attempt{Policy: policy, Number: number, Now: now}.Decide()
		second := Attempt{Policy: policy, Number: number + 1, Now: now}.Decide()
		require.Equal(t, enumspb.RETRY_STATE_IN_PROGRESS, first.State)
		require.GreaterOrEqual(t, first.Interval, time.Duration(0))
		require.GreaterOrEqual(t, second.Interval, first.Interval)
		require.LessOrEqual(t, second.Interval, min(policy.MaximumInterval.AsDuration(), MaxDuration))
		deadline := Attempt{Policy: policy, Number: number, Now: now, Deadline: now.Add(first.Interval)}.Decide()
		require.Equal(t, first, deadline, "an attempt may start at its deadline")
	})
}
