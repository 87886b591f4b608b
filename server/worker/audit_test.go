package worker

import (
	"context"
	"log/slog"
	"slices"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"perdure/server/metrics"
	"perdure/server/store"
	"perdure/server/store/memory"
	"perdure/visibility/audit"
)

// pages is a search store whose audit takes a minute for each of ten pages.
type pages struct {
	mu     sync.Mutex
	read   []string // pages, by whom
	ends   []time.Time
	behind bool
}

const pagesOfAudit = 10

func (p *pages) audit(ctx context.Context, node string, r AuditRequest) (audit.Summary, error) {
	first, _ := strconv.Atoi(r.From.Behind)
	for page := first; page < pagesOfAudit; page++ {
		select {
		case <-ctx.Done():
			return audit.Summary{}, ctx.Err()
		case <-time.After(time.Minute):
		}
		p.mu.Lock()
		behind := p.behind
		if !behind {
			p.read = append(p.read, node+strconv.Itoa(page))
		}
		p.mu.Unlock()
		if behind {
			return audit.Summary{}, ErrNotNow
		}
		if err := r.Tick(func() audit.Progress { return audit.Progress{Behind: strconv.Itoa(page + 1)} }); err != nil {
			return audit.Summary{}, err
		}
	}
	r.Report(audit.Difference{Kind: audit.Missing})
	p.mu.Lock()
	defer p.mu.Unlock()
	p.ends = append(p.ends, time.Now())
	return audit.Summary{Runs: 7, Missing: 1}, nil
}

func (p *pages) ended() []time.Time {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.ends)
}

func (p *pages) seen() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]string{}, p.read...)
}

// auditing runs the worker service of a node beside a search store.
func auditing(t *testing.T, p *pages, records store.Store, node string) (reg *metrics.Registry, stop func()) {
	h := &house{}
	reg = metrics.NewRegistry()
	s := New(Config{
		Namespaces: h, Housekeeping: h, Queues: h, Deployments: h, BuildIDs: h, SweepInterval: time.Hour,
		Logger: slog.New(slog.DiscardHandler), Metrics: reg,
		Audits: Audits{Records: records, Owner: node, Interval: 24 * time.Hour, Stores: []SearchStore{{
			Name: "es", Label: "es", Audit: func(ctx context.Context, r AuditRequest) (audit.Summary, error) { return p.audit(ctx, node, r) },
		}}},
	})
	s.Start()
	return reg, func() { require.NoError(t, s.Stop(t.Context())) }
}

// The interval counts from when the store was first seen, over restarts, and then from the end of the last audit.
func TestAuditsComeAtTheirInterval(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, records := &pages{}, newRecords(t)
		_, stop := auditing(t, p, records, "a")
		time.Sleep(12 * time.Hour)
		stop()
		reg, stop := auditing(t, p, records, "a")
		defer func() { stop() }()
		time.Sleep(12*time.Hour + firstWait - time.Second)
		synctest.Wait()
		require.Empty(t, p.seen())
		time.Sleep(2*time.Minute + time.Second)
		synctest.Wait()
		require.Len(t, p.seen(), 2)
		time.Sleep(24 * time.Hour)
		synctest.Wait()
		require.Len(t, p.ended(), 1)
		require.Equal(t, 7.0, reg.Value("perdure_visibility_audited_total", "es"))
		require.Equal(t, 1.0, reg.Value("perdure_visibility_audit_differences_total", "missing", "es"))
		require.Equal(t, float64(p.ended()[0].UnixMilli())/1000, reg.Value("perdure_chore_last_success_timestamp_seconds", "search_audit_es"))
		time.Sleep(20 * time.Minute)
		synctest.Wait()
		require.Len(t, p.ended(), 2)
		require.Equal(t, 24*time.Hour+10*time.Minute, p.ended()[1].Sub(p.ended()[0]))
	})
}

// Of several nodes one works. When it ends the others wait for a sign of life, then one goes on where it was; it itself would
// go on at once.
func TestOneNodeAuditsAndAnotherGoesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, records := &pages{}, newRecords(t)
		_, stopA := auditing(t, p, records, "a")
		time.Sleep(24*time.Hour + firstWait + time.Second) // a has it: two that wait from the start would come at one moment, in any order
		_, stopB := auditing(t, p, records, "b")
		time.Sleep(3 * time.Minute)
		synctest.Wait()
		require.Equal(t, []string{"a0", "a1", "a2"}, p.seen())
		stopA()
		_, stopA = auditing(t, p, records, "a")
		time.Sleep(firstWait + 2*time.Minute)
		synctest.Wait()
		require.Equal(t, []string{"a0", "a1", "a2", "a3", "a4"}, p.seen(), "the same node goes on at once")
		stopA()
		time.Sleep(auditClaim)
		synctest.Wait()
		require.Len(t, p.seen(), 5, "the other waits")
		time.Sleep(6 * time.Minute)
		synctest.Wait()
		require.Equal(t, []string{"a0", "a1", "a2", "a3", "a4", "b5", "b6", "b7", "b8", "b9"}, p.seen())
		require.Len(t, p.ended(), 1)
		stopB()
	})
}

// A store that is behind is tried again each minute, and its audit goes on then.
func TestAuditWaitsForAStoreThatIsBehind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, records := &pages{}, newRecords(t)
		reg, stop := auditing(t, p, records, "a")
		defer stop()
		time.Sleep(24*time.Hour + firstWait + 150*time.Second)
		p.mu.Lock()
		p.behind = true
		p.mu.Unlock()
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		require.Equal(t, []string{"a0", "a1"}, p.seen())
		p.mu.Lock()
		p.behind = false
		p.mu.Unlock()
		time.Sleep(20 * time.Minute)
		synctest.Wait()
		require.Equal(t, []string{"a0", "a1", "a2", "a3", "a4", "a5", "a6", "a7", "a8", "a9"}, p.seen())
		require.Zero(t, reg.Value("perdure_chores_failed_total", "search_audit_es"))
	})
}

func newRecords(t *testing.T) store.Store {
	s, err := memory.Open(1)
	require.NoError(t, err)
	return s
}
