package matching

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strconv"
	"strings"
	"sync"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	taskqueuepb "go.temporal.io/api/taskqueue/v1"
	"go.temporal.io/api/workflowservice/v1"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"perdure/server/cluster"
	"perdure/server/match"
	"perdure/server/store"
)

// rules are what people have set for a task queue of one type. They never change: an
// update makes new ones.
type rules struct {
	config  *taskqueuepb.TaskQueueConfig
	version int64 // of the stored record; 0: nobody has set anything
}

// noRules is what applies where nobody has set anything.
var noRules = &rules{config: &taskqueuepb.TaskQueueConfig{}}

// perSecond is the rate of the whole queue, nil when none is set.
func (r *rules) perSecond() *float64 { return rateOf(r.config.GetQueueRateLimit()) }

// perKey is the rate of a fairness key of weight 1, nil when none is set.
func (r *rules) perKey() *float64 { return rateOf(r.config.GetFairnessKeysRateLimitDefault()) }

func rateOf(c *taskqueuepb.RateLimitConfig) *float64 {
	if c.GetRateLimit() == nil {
		return nil
	}
	perSecond := float64(c.RateLimit.RequestsPerSecond)
	return &perSecond
}

// weight is that of a task's fairness key: what is set here goes before what the task says.
func (r *rules) weight(task *cluster.Task) float64 {
	if w, ok := r.config.GetFairnessWeightOverrides()[task.FairnessKey]; ok {
		return match.Weight(w)
	}
	return match.Weight(task.FairnessWeight)
}

// rulesKey names what rules are for.
type rulesKey struct {
	namespaceID string
	kind        enumspb.TaskQueueType
	name        string
}

func (k queueKey) rulesKey() rulesKey {
	return rulesKey{namespaceID: k.namespaceID, kind: k.kind, name: k.name}
}

// rulesKind is the kind of the records that keep rules.
const rulesKind = "task_queue_config"

func (k rulesKey) record() string {
	return fmt.Sprintf("%s/%d/%s", k.namespaceID, k.kind, k.name)
}

func parseRulesKey(record string) (rulesKey, error) {
	namespaceID, rest, ok := strings.Cut(record, "/")
	kind, name, more := strings.Cut(rest, "/")
	number, err := strconv.ParseInt(kind, 10, 32)
	if !ok || !more || err != nil {
		return rulesKey{}, fmt.Errorf("%s %q: %w", rulesKind, record, store.ErrDamaged)
	}
	return rulesKey{namespaceID: namespaceID, kind: enumspb.TaskQueueType(number), name: name}, nil
}

func decodeRules(m store.Meta) (*rules, error) {
	r := &rules{config: &taskqueuepb.TaskQueueConfig{}, version: m.Version}
	if err := proto.Unmarshal(m.Data, r.config); err != nil {
		return nil, fmt.Errorf("%s %q: %w: %w", rulesKind, m.Key, store.ErrDamaged, err)
	}
	return r, nil
}

// ruleTable knows all rules of the cluster: they are few, and a new queue needs
// its own before its first task goes out.
type ruleTable struct {
	mu    sync.RWMutex
	byKey map[rulesKey]*rules
}

func (t *ruleTable) get(key queueKey) *rules {
	if key.sticky {
		return noRules
	}
	t.mu.RLock()
	defer t.mu.RUnlock()
	if r := t.byKey[key.rulesKey()]; r != nil {
		return r
	}
	return noRules
}

// put keeps the rules unless newer ones are there.
func (t *ruleTable) put(key rulesKey, r *rules) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if old := t.byKey[key]; old == nil || old.version < r.version {
		t.byKey[key] = r
	}
}

// readRules brings the table up to date: another node may have changed rules.
func (e *Engine) readRules(ctx context.Context) error {
	records, err := e.config.Store.ListMeta(ctx, rulesKind)
	if err != nil {
		return fmt.Errorf("read the rules of task queues: %w", err)
	}
	for _, m := range records {
		key, err := parseRulesKey(m.Key)
		r, damaged := decodeRules(m)
		if err = errors.Join(err, damaged); err != nil {
			e.logger.Error("rules of a task queue are damaged and do not apply", "error", err)
			continue
		}
		e.rules.put(key, r)
	}
	for _, q := range e.loaded() {
		e.applyRules(q)
	}
	return nil
}

// followRules looks again and again for rules that other nodes have changed.
func (e *Engine) followRules(ctx context.Context) {
	timer := time.NewTimer(e.limits.RefreshAfter)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		}
		if len(e.loaded()) > 0 { // a node at rest asks for nothing
			e.refreshRules(ctx)
		}
		timer.Reset(e.limits.RefreshAfter)
	}
}

func (e *Engine) refreshRules(ctx context.Context) {
	limited, done := context.WithTimeout(ctx, e.limits.StoreTimeout)
	defer done()
	if err := e.readRules(limited); err != nil && ctx.Err() == nil {
		e.logger.Warn("rules of task queues could not be read; the last known ones are used", "error", err)
	}
}

// applyRules gives the queue the newest rules.
func (e *Engine) applyRules(q *queue) {
	var reports outcomes
	defer reports.send()
	q.mu.Lock()
	defer q.mu.Unlock()
	newest := e.rules.get(q.key)
	if newest == q.rules {
		return
	}
	q.rules = newest
	q.settleAll() // weights; and who was held back tries again
	if !q.unloaded && !q.draining {
		q.dispatch(time.Now(), &reports)
	}
}

// UpdateTaskQueueConfig changes the rules of a task queue. See cluster.Matching.
func (e *Engine) UpdateTaskQueueConfig(ctx context.Context, ns *cluster.Namespace, req *workflowservice.UpdateTaskQueueConfigRequest) (*workflowservice.UpdateTaskQueueConfigResponse, error) {
	key := queueKey{namespaceID: ns.ID, name: req.GetTaskQueue(), kind: req.GetTaskQueueType()}
	for {
		old, err := e.storedRules(ctx, key.rulesKey())
		if err != nil {
			return nil, err
		}
		next, err := e.changedRules(old, req, time.Now())
		if err != nil {
			return nil, err
		}
		if next.version > old.version {
			err = e.storeRules(ctx, key.rulesKey(), next)
		}
		switch {
		case errors.Is(err, store.ErrConflict), errors.Is(err, store.ErrUnknownOutcome):
			continue // somebody was quicker, perhaps this very call: look again
		case err != nil:
			return nil, err
		}
		e.rules.put(key.rulesKey(), next)
		for _, q := range e.familyOf(key) {
			e.applyRules(q)
		}
		return &workflowservice.UpdateTaskQueueConfigResponse{Config: next.config}, nil
	}
}

func (e *Engine) storedRules(ctx context.Context, key rulesKey) (*rules, error) {
	m, err := e.config.Store.Meta(ctx, rulesKind, key.record())
	if errors.Is(err, store.ErrNotFound) {
		return noRules, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the rules of a task queue: %w", err)
	}
	return decodeRules(m)
}

func (e *Engine) storeRules(ctx context.Context, key rulesKey, r *rules) error {
	data, err := proto.Marshal(r.config)
	if err != nil {
		return err
	}
	err = e.config.Store.PutMeta(ctx, store.Meta{Kind: rulesKind, Key: key.record(), Version: r.version, Data: data})
	if err != nil {
		return fmt.Errorf("store the rules of a task queue: %w", err)
	}
	return nil
}

// changedRules are the rules after an update; the same when it changes nothing.
func (e *Engine) changedRules(old *rules, req *workflowservice.UpdateTaskQueueConfigRequest, now time.Time) (*rules, error) {
	c := proto.CloneOf(old.config)
	metadata := func(reason string) *taskqueuepb.ConfigMetadata {
		return &taskqueuepb.ConfigMetadata{
			Reason: reason, UpdateIdentity: req.GetIdentity(), UpdateTime: timestamppb.New(now.Truncate(time.Millisecond)),
		}
	}
	if u := req.GetUpdateQueueRateLimit(); u != nil {
		c.QueueRateLimit = &taskqueuepb.RateLimitConfig{RateLimit: u.GetRateLimit(), Metadata: metadata(u.GetReason())}
	}
	if u := req.GetUpdateFairnessKeyRateLimitDefault(); u != nil {
		c.FairnessKeysRateLimitDefault = &taskqueuepb.RateLimitConfig{RateLimit: u.GetRateLimit(), Metadata: metadata(u.GetReason())}
	}
	for _, key := range req.GetUnsetFairnessWeightOverrides() {
		delete(c.FairnessWeightOverrides, key)
	}
	if set := req.GetSetFairnessWeightOverrides(); len(set) > 0 {
		if c.FairnessWeightOverrides == nil {
			c.FairnessWeightOverrides = map[string]float32{}
		}
		maps.Copy(c.FairnessWeightOverrides, set)
	}
	if len(c.FairnessWeightOverrides) > e.limits.WeightOverridesMax {
		return nil, serviceerror.NewInvalidArgument("fairness weight overrides update rejected: exceeding maximum key size")
	}
	if proto.Equal(c, old.config) {
		return old, nil
	}
	return &rules{config: c, version: old.version + 1}, nil
}
