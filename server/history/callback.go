package history

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"perdure/server/cluster"
	"perdure/server/execution"
	"perdure/server/metrics"
	"perdure/server/nexus"
	"perdure/server/store"
)

// blocked says why no calls are made to an address for now; empty: they are.
func (e *Engine) blocked(address string) string {
	if e.cfg.Outbound == nil {
		return ""
	}
	return e.cfg.Outbound.Blocked(nexus.Destination(address))
}

// newCalls are the calls that the outbound queue was not given before. The lock is held.
func (en *entry) newCalls(calls []execution.Call) []execution.Call {
	if len(calls) == 0 {
		en.called = nil
		return nil
	}
	var fresh []execution.Call
	called := make(map[int64]int32, len(calls))
	for _, c := range calls {
		key, attempt := c.Callback.Key(), c.Callback.Progress.Attempts
		if last, is := en.called[key]; !is || last != attempt {
			fresh = append(fresh, c)
		}
		called[key] = attempt
	}
	en.called = called
	return fresh
}

// callAgainAt has the run looked at again for a call that was not made.
func (due callbackDue) callAgainAt(at time.Time) {
	if en := due.shard.cached(due.run); en != nil {
		en.mu.Lock()
		delete(en.called, due.key)
		en.mu.Unlock()
	}
	due.shard.wakes.setEarlier(due.run, at)
}

// submitCalls hands calls to the outbound queue.
func (e *Engine) submitCalls(en *entry, calls []execution.Call) {
	if e.cfg.Outbound == nil {
		return
	}
	for _, c := range calls {
		due := callbackDue{shard: en.shard, run: en.key, key: c.Callback.Key(), attempts: c.Callback.Progress.Attempts}
		e.cfg.Outbound.Submit(cluster.OutboundCall{
			Key:         cluster.OutboundKey{Kind: "callback", Slot: en.key.Slot, Exec: en.key.Exec, Number: due.key, Attempt: due.attempts},
			Destination: nexus.Destination(c.Callback.URL()),
			Make: func(ctx context.Context, client cluster.OutboundClient) cluster.OutboundHealth {
				return e.callBack(ctx, due, client)
			},
			Postponed: due.callAgainAt,
		})
	}
}

// callbackDue is one attempt of a callback of a run, which need not be in memory.
type callbackDue struct {
	shard    *shard
	run      store.ExecutionKey
	key      int64
	attempts int32
}

// callAgain is how long a call waits that could not be made for the store's sake.
const callAgain = time.Second

// callBack makes one attempt, if it is still wanted, and records what came of it.
func (e *Engine) callBack(ctx context.Context, due callbackDue, client cluster.OutboundClient) cluster.OutboundHealth {
	request, err := e.callbackRequest(ctx, due)
	if err != nil || request == nil {
		e.retryCall(ctx, due, err)
		return cluster.HealthUnknown
	}
	answer, health := post(ctx, client, *request)
	if ctx.Err() != nil {
		return cluster.HealthUnknown // cut off by the end of this process: the next one calls again
	}
	e.retryCall(ctx, due, e.recordAnswer(ctx, due, answer))
	return health
}

func post(ctx context.Context, client cluster.OutboundClient, r nexus.Request) (nexus.Answer, cluster.OutboundHealth) {
	if r.URL == nexus.SystemURL {
		return nexus.NoToken(), cluster.HealthUnknown
	}
	response, err := client.Post(ctx, r)
	switch {
	case errors.Is(err, cluster.ErrNotAllowed):
		return nexus.Unreachable(err.Error()), cluster.HealthUnknown
	case err != nil:
		return nexus.Unreachable(err.Error()), cluster.Failing
	}
	answer := nexus.AnswerOf(response)
	if answer.Taken || !answer.Retryable {
		return answer, cluster.Healthy
	}
	return answer, cluster.Failing
}

// callbackRequest is what to send; nil when the attempt is not wanted any more.
func (e *Engine) callbackRequest(ctx context.Context, due callbackDue) (request *nexus.Request, err error) {
	err = e.onEntry(ctx, due.shard, due.run, func(en *entry) error {
		ns, err := e.cfg.Namespaces.ByID(ctx, en.workflow.NamespaceID)
		if err != nil {
			return err
		}
		state, _, err := en.view(ctx)
		if err != nil {
			return err
		}
		c := state.Callbacks.Get(due.key)
		if c != nil && c.Progress.Attempts == due.attempts && c.Progress.IsDue(time.Now()) {
			r := state.CallbackRequest(c, ns.Name)
			request = &r
		}
		return nil
	})
	return request, err
}

func (e *Engine) recordAnswer(ctx context.Context, due callbackDue, answer nexus.Answer) error {
	return e.onEntry(ctx, due.shard, due.run, func(en *entry) error {
		_, err := e.do(ctx, en, execution.CallbackAnswered{Key: due.key, Attempts: due.attempts, Answer: answer, Chance: rand.Float64()})
		if err == nil {
			metrics.CallbackAttempts.In(e.cfg.Metrics, metrics.NamespaceOutcome{
				Namespace: e.names.of(en.workflow.NamespaceID), Outcome: outcomeOf(answer),
			}).Inc()
		}
		return err
	})
}

func outcomeOf(a nexus.Answer) string {
	switch {
	case a.Taken:
		return "succeeded"
	case a.Retryable:
		return "retried"
	}
	return "failed"
}

// retryCall looks at the run again when an attempt could not be made or recorded.
func (e *Engine) retryCall(ctx context.Context, due callbackDue, err error) {
	if err == nil || ctx.Err() != nil || errors.Is(err, execution.ErrStale) || isNotFound(err) {
		return
	}
	e.cfg.Logger.Warn("a callback could not be made or its answer not be stored; trying again", "error", err)
	due.callAgainAt(time.Now().Add(callAgain))
}
