package worker

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	enumspb "go.temporal.io/api/enums/v1"
	"go.uber.org/goleak"

	"perdure/server/cluster"
	"perdure/server/metrics"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// house is a history of nothing but numbers of runs by namespace.
type house struct {
	mu         sync.Mutex
	namespaces []*cluster.Namespace
	due, runs  map[string]int
	dropped    []string    // namespaces whose task queues are gone
	undeployed []string    // namespaces whose worker deployments are gone
	unbuilt    []string    // namespaces whose build ids are gone
	before     []time.Time // of each first page of a sweep
	fail       error       // of the next call
}

func (h *house) List(context.Context) ([]*cluster.Namespace, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return append([]*cluster.Namespace(nil), h.namespaces...), nil
}

func (h *house) Remove(_ context.Context, n *cluster.Namespace) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	for i, other := range h.namespaces {
		if other.ID == n.ID {
			h.namespaces = append(h.namespaces[:i:i], h.namespaces[i+1:]...)
		}
	}
	return nil
}

func (h *house) page(left map[string]int, ns *cluster.Namespace, behind cluster.Position, limit int) (cluster.DeletedRuns, error) {
	if err := h.fail; err != nil {
		h.fail = nil
		return cluster.DeletedRuns{}, err
	}
	n := min(left[ns.ID], limit)
	left[ns.ID] -= n
	return cluster.DeletedRuns{Seen: n, Deleted: n, More: n == limit, Next: cluster.Position{Exec: behind.Exec + int64(n)}}, nil
}

func (h *house) DeleteClosed(_ context.Context, ns *cluster.Namespace, before time.Time, behind cluster.Position, limit int) (cluster.DeletedRuns, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if behind == (cluster.Position{}) {
		h.before = append(h.before, before)
	}
	return h.page(h.due, ns, behind, limit)
}

func (h *house) DeleteRuns(_ context.Context, ns *cluster.Namespace, behind cluster.Position, limit int) (cluster.DeletedRuns, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.page(h.runs, ns, behind, limit)
}

func (h *house) DropQueues(_ context.Context, id string) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.dropped = append(h.dropped, id)
	return nil
}

func (h *house) DropBuildIDs(_ context.Context, id string) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.unbuilt = append(h.unbuilt, id)
	return nil
}

func (h *house) DropDeployments(_ context.Context, id string) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.undeployed = append(h.undeployed, id)
	return nil
}

func (h *house) look(f func()) {
	synctest.Wait()
	h.mu.Lock()
	defer h.mu.Unlock()
	f()
}

const interval = 5 * time.Minute

func start(t *testing.T, h *house) *Service {
	s := New(Config{Namespaces: h, Housekeeping: h, Queues: h, Deployments: h, BuildIDs: h, SweepInterval: interval, Logger: slog.New(slog.DiscardHandler), Metrics: metrics.NewRegistry()})
	s.Start()
	t.Cleanup(func() { require.NoError(t, s.Stop(context.Background())) })
	return s
}

func open(id string, retention time.Duration) *cluster.Namespace {
	return &cluster.Namespace{ID: id, Name: id, State: enumspb.NAMESPACE_STATE_REGISTERED, Retention: retention}
}

// Every page of what is due goes, and the next look is an interval later.
func TestRetention(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		h := &house{namespaces: []*cluster.Namespace{open("a", time.Hour)}, due: map[string]int{"a": 3*pageRuns + 7}}
		start(t, h)
		time.Sleep(firstWait)
		h.look(func() {
			require.Zero(t, h.due["a"])
			require.Equal(t, []time.Time{began.Add(firstWait - time.Hour)}, h.before)
			h.due["a"] = 1
		})
		time.Sleep(interval - time.Millisecond)
		h.look(func() { require.Equal(t, 1, h.due["a"]) })
		time.Sleep(2 * time.Millisecond)
		h.look(func() { require.Zero(t, h.due["a"]) })
	})
}

// A chore that fails is tried again; the other namespaces do not wait for it.
func TestChoreFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := &house{
			namespaces: []*cluster.Namespace{open("a", time.Hour), open("b", time.Hour)},
			due:        map[string]int{"a": 1, "b": 1}, fail: errors.New("the store is away"),
		}
		s := start(t, h)
		began := time.Now()
		lastSuccess := func() time.Time {
			seconds := s.config.Metrics.Value("perdure_chore_last_success_timestamp_seconds", "retention")
			return time.UnixMilli(int64(seconds * 1000))
		}
		time.Sleep(firstWait)
		h.look(func() { require.Equal(t, map[string]int{"a": 1, "b": 0}, h.due) })
		require.WithinDuration(t, began, lastSuccess(), time.Second, "no round went through yet")
		time.Sleep(interval + time.Millisecond)
		h.look(func() { require.Zero(t, h.due["a"]) })
		require.WithinDuration(t, time.Now(), lastSuccess(), time.Second)
		require.Equal(t, interval.Seconds(), s.config.Metrics.Value("perdure_chore_period_seconds", "retention"))
		require.Equal(t, 1.0, s.config.Metrics.Value("perdure_chores_failed_total", "retention"))
		require.Positive(t, s.config.Metrics.Value("perdure_chore_duration_seconds", "retention"))
	})
}

// A deleted namespace loses its runs at once and its record when its delay is over.
func TestReclaim(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		gone := open("a", time.Hour)
		gone.State, gone.RemoveAfter = enumspb.NAMESPACE_STATE_DELETED, time.Now().Add(10*time.Second)
		h := &house{namespaces: []*cluster.Namespace{gone, open("b", time.Hour)}, runs: map[string]int{"a": pageRuns + 1, "b": 1}}
		s := start(t, h)
		s.Kick()
		h.look(func() {
			require.Zero(t, h.runs["a"])
			h.runs["a"] = 1 // one that another run had started
		})
		time.Sleep(2 * time.Second)
		h.look(func() {
			require.Zero(t, h.runs["a"])
			require.Len(t, h.namespaces, 2)
			require.Empty(t, h.dropped)
		})
		time.Sleep(9 * time.Second)
		h.look(func() {
			require.Len(t, h.namespaces, 1)
			require.Equal(t, []string{"a"}, h.dropped)
			require.Equal(t, []string{"a"}, h.undeployed)
			require.Equal(t, []string{"a"}, h.unbuilt)
			require.Equal(t, 1, h.runs["b"])
			require.Empty(t, h.before, "a kick is for deleted namespaces only")
		})
	})
}
