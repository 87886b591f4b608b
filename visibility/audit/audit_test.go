package audit_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"perdure/visibility"
	"perdure/visibility/audit"
	"perdure/visibility/memory"
)

// runs are those that there are, ten to a page.
type runs struct {
	list []audit.Run
	read int // runs, over all calls
}

const runsOfPage = 10

func (r *runs) Runs(_ context.Context, behind string) ([]audit.Run, string, error) {
	first, _ := strconv.Atoi(behind)
	end := min(first+runsOfPage, len(r.list))
	r.read += end - first
	if end == len(r.list) {
		return r.list[first:], "", nil
	}
	return r.list[first:end], strconv.Itoa(end), nil
}

func (r *runs) Run(_ context.Context, namespaceID, _, runID string) (audit.Run, bool, error) {
	for _, run := range r.list {
		if run.NamespaceID == namespaceID && run.RunID == runID {
			return run, true, nil
		}
	}
	return audit.Run{}, false, nil
}

func (r *runs) Record(ctx context.Context, namespaceID, workflowID, runID string) (*visibility.Record, bool, error) {
	run, exists, err := r.Run(ctx, namespaceID, workflowID, runID)
	return recordOf(run), exists, err
}

func recordOf(run audit.Run) *visibility.Record {
	return &visibility.Record{
		NamespaceID: run.NamespaceID, WorkflowID: run.WorkflowID, RunID: run.RunID, Version: run.Version, StartTime: time.Unix(0, run.StartNanos).UTC(),
		WorkflowType: fmt.Sprint("as of version ", run.Version),
	}
}

// damaged are a hundred runs of two namespaces over some hours, and a store in which one is missing, one stale and one too many.
func damaged(t *testing.T) (*runs, *memory.Store) {
	r, s := &runs{}, memory.New()
	for i := range 100 {
		run := audit.Run{
			NamespaceID: []string{"a", "b"}[i%2], WorkflowID: "w", RunID: fmt.Sprintf("r%03d", i), Version: int64(i%7 + 2),
			StartNanos: (time.Duration(i%5) * time.Hour).Nanoseconds(),
		}
		r.list = append(r.list, run)
		switch i {
		case 40:
			continue
		case 71:
			run.Version--
		}
		require.NoError(t, s.Write(t.Context(), []*visibility.Record{recordOf(run)}))
	}
	require.NoError(t, s.Write(t.Context(), []*visibility.Record{{NamespaceID: "a", WorkflowID: "w", RunID: "orphan", Version: 3}}))
	return r, s
}

func compare(t *testing.T, r *runs, s *memory.Store, change func(*audit.Config)) (audit.Summary, error) {
	config := audit.Config{Source: r, Inventory: s, Store: s}
	change(&config)
	return audit.Compare(t.Context(), config)
}

var found = audit.Summary{Runs: 100, Buckets: 11, DifferentFirst: 3, Missing: 1, Stale: 1, Orphans: 1}

// TestRate reads 200 runs, once for the sums and once for the hours that differ, ten at a time at ten a second.
func TestRate(t *testing.T) {
	for rate, want := range map[int]time.Duration{0: 2 * time.Second, 10: 20 * time.Second, 11: 18364 * time.Millisecond} {
		synctest.Test(t, func(t *testing.T) {
			r, s := damaged(t)
			began := time.Now()
			summary, err := compare(t, r, s, func(c *audit.Config) { c.Rate = rate })
			require.NoError(t, err)
			require.Equal(t, found, summary)
			require.Equal(t, want, time.Since(began).Round(time.Millisecond), "rate %d", rate)
		})
	}
}

// TestGoesOnWhereItWas cuts an audit off behind each of its steps: with what it stored then, it finds the same.
func TestGoesOnWhereItWas(t *testing.T) {
	cut := errors.New("cut off")
	for step := 1; ; step++ {
		done := false
		synctest.Test(t, func(t *testing.T) {
			r, s := damaged(t)
			var stored []byte
			ticks := 0
			_, err := compare(t, r, s, func(c *audit.Config) {
				c.Tick = func(progress func() audit.Progress) error {
					if ticks++; ticks < step {
						return nil
					}
					var err error
					stored, err = json.Marshal(progress())
					return errors.Join(cut, err)
				}
			})
			if done = err == nil; done {
				return
			}
			require.ErrorIs(t, err, cut)
			before := r.read
			var from audit.Progress
			require.NoError(t, json.Unmarshal(stored, &from))
			summary, err := compare(t, r, s, func(c *audit.Config) { c.From = from })
			require.NoError(t, err)
			require.Equal(t, found, summary, "cut off at step %d", step)
			require.Equal(t, max(0, 100-runsOfPage*step)+100, r.read-before, "what is summed up is not read again")
		})
		if done {
			require.Greater(t, step, 20)
			return
		}
	}
}

// TestReportEndsAnAudit hands the error of who is told on.
func TestReportEndsAnAudit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, s := damaged(t)
		full := errors.New("full")
		_, err := compare(t, r, s, func(c *audit.Config) { c.Report = func(audit.Difference) error { return full } })
		require.ErrorIs(t, err, full)
	})
}
