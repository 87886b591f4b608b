package frontend_test

import (
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	enumspb "go.temporal.io/api/enums/v1"
	taskqueuepb "go.temporal.io/api/taskqueue/v1"
	"go.temporal.io/api/workflowservice/v1"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// What a change of a task queue's rules may say, on both sides of each bound.
func TestUpdateTaskQueueConfigIsChecked(t *testing.T) {
	type (
		update = workflowservice.UpdateTaskQueueConfigRequest
		rate   = workflowservice.UpdateTaskQueueConfigRequest_RateLimitUpdate
	)
	perSecond := func(v float32, reason string) *rate {
		return &rate{RateLimit: &taskqueuepb.RateLimit{RequestsPerSecond: v}, Reason: reason}
	}
	weights := func(count int) map[string]float32 {
		set := map[string]float32{}
		for i := range count {
			set[fmt.Sprint(i)] = 1
		}
		return set
	}
	names := func(count int) (all []string) {
		for name := range weights(count) {
			all = append(all, name)
		}
		return all
	}
	nan := float32(math.NaN())
	activity, workflow := enumspb.TASK_QUEUE_TYPE_ACTIVITY, enumspb.TASK_QUEUE_TYPE_WORKFLOW
	b := setup(t)
	for _, c := range []struct {
		refused string // what the error says; empty: handed on
		request *update
	}{
		{"", &update{TaskQueueType: activity, UpdateQueueRateLimit: perSecond(0, strings.Repeat("r", 1000))}},
		{"Reason field too long", &update{TaskQueueType: activity, UpdateQueueRateLimit: perSecond(0, strings.Repeat("r", 1001))}},
		{"UpdateFairnessKeyRateLimitDefault.Reason", &update{TaskQueueType: activity, UpdateFairnessKeyRateLimitDefault: perSecond(0, strings.Repeat("r", 1001))}},
		{"must be non-negative", &update{TaskQueueType: activity, UpdateQueueRateLimit: perSecond(-0.1, "")}},
		{"must be non-negative", &update{TaskQueueType: activity, UpdateFairnessKeyRateLimitDefault: perSecond(nan, "")}},
		{"", &update{TaskQueueType: activity, UpdateQueueRateLimit: &rate{Reason: "cleared"}}},
		{"Setting rate limit on workflow", &update{TaskQueueType: workflow, UpdateQueueRateLimit: &rate{}}},
		{"Setting fairness key rate limit on workflow", &update{TaskQueueType: workflow, UpdateFairnessKeyRateLimitDefault: &rate{}}},
		{"", &update{TaskQueueType: workflow, SetFairnessWeightOverrides: weights(1000)}},
		{"got 1001, maximum 1000", &update{TaskQueueType: activity, SetFairnessWeightOverrides: weights(1001)}},
		{"", &update{TaskQueueType: activity, UnsetFairnessWeightOverrides: names(1000)}},
		{"got 1001, maximum 1000", &update{TaskQueueType: activity, UnsetFairnessWeightOverrides: names(1001)}},
		{"", &update{TaskQueueType: activity, SetFairnessWeightOverrides: map[string]float32{strings.Repeat("k", 64): 1e9}}},
		{"key length exceeds", &update{TaskQueueType: activity, SetFairnessWeightOverrides: map[string]float32{strings.Repeat("k", 65): 1}}},
		{"key length exceeds", &update{TaskQueueType: activity, UnsetFairnessWeightOverrides: []string{strings.Repeat("k", 65)}}},
		{"must not be empty", &update{TaskQueueType: activity, SetFairnessWeightOverrides: map[string]float32{"": 1}}},
		{"greater than zero", &update{TaskQueueType: activity, SetFairnessWeightOverrides: map[string]float32{"k": 0}}},
		{"greater than zero", &update{TaskQueueType: activity, SetFairnessWeightOverrides: map[string]float32{"k": nan}}},
		{"both set and unset", &update{TaskQueueType: activity, SetFairnessWeightOverrides: weights(1), UnsetFairnessWeightOverrides: names(1)}},
		{"", &update{TaskQueueType: activity, Identity: strings.Repeat("i", 1000)}},
		{"Identity field too long", &update{TaskQueueType: activity, Identity: strings.Repeat("i", 1001)}},
		{"TaskQueueType is not set", &update{SetFairnessWeightOverrides: weights(1)}},
		{"TaskQueueType is not set", &update{TaskQueueType: 9, UpdateQueueRateLimit: perSecond(1, "")}},
		{"length exceeds limit", &update{TaskQueue: strings.Repeat("q", 1001), TaskQueueType: activity, UpdateQueueRateLimit: perSecond(1, "")}},
		{"reserved prefix", &update{TaskQueue: "/_sys/q/1", TaskQueueType: activity, UpdateQueueRateLimit: perSecond(1, "")}},
	} {
		c.request.Namespace = "default"
		if c.request.TaskQueue == "" {
			c.request.TaskQueue = "q"
		}
		_, err := b.client.UpdateTaskQueueConfig(t.Context(), c.request)
		if c.refused == "" {
			require.Equal(t, codes.DataLoss, status.Code(err), "handed on: %v", err)
			continue
		}
		require.Equal(t, codes.InvalidArgument, status.Code(err), c.refused)
		require.ErrorContains(t, err, c.refused)
	}
	_, err := b.client.UpdateTaskQueueConfig(t.Context(), &update{Namespace: "default", TaskQueueType: activity, UpdateQueueRateLimit: perSecond(1, "")})
	require.ErrorContains(t, err, "missing task queue name")
}
