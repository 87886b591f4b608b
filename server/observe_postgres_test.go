package server

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"perdure/server/metrics"
	"perdure/server/store/postgres"
)

// patient is a database that says what it is told to.
type patient struct {
	mu     sync.Mutex
	health postgres.Health
	err    error
}

func (p *patient) Health(context.Context) (postgres.Health, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.health, p.err
}

// says changes what it says.
func (p *patient) says(err error, change func(*postgres.Health)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.err = err
	change(&p.health)
}

func TestTheDatabaseIsLookedAtNowAndThen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reg := metrics.NewRegistry()
		p := &patient{health: postgres.Health{
			DatabaseBytes: 5000, Deadlocks: 3, Connections: map[string]int64{"active": 2},
			Tables: []postgres.TableHealth{
				{Name: "a", Bytes: 100, LiveRows: 60, DeadRows: 40, VacuumedAgo: -1},
				{Name: "b", Bytes: 50, VacuumedAgo: time.Minute},
			},
		}}
		watch := watchDatabase(p, slog.New(slog.DiscardHandler), reg)
		synctest.Wait()
		require.Equal(t, 5000.0, reg.Value("perdure_pg_database_bytes"))
		require.Equal(t, 3.0, reg.Value("perdure_pg_deadlocks_total"))
		require.Equal(t, 2.0, reg.Value("perdure_pg_connections", "active"))
		require.Equal(t, 0.4, reg.Value("perdure_pg_dead_rows_ratio", "a"))
		require.Zero(t, reg.Value("perdure_pg_dead_rows_ratio", "b"), "an empty table")
		require.Equal(t, 60.0, reg.Value("perdure_pg_vacuum_age_seconds", "b"))

		p.says(nil, func(h *postgres.Health) { h.Deadlocks, h.Tables = 1, h.Tables[:1] }) // statistics were reset, a table dropped
		time.Sleep(healthInterval)
		synctest.Wait()
		require.Equal(t, 3.0, reg.Value("perdure_pg_deadlocks_total"))
		require.Zero(t, reg.Value("perdure_pg_table_bytes", "b"))
		p.says(errors.New("gone"), func(h *postgres.Health) { h.Deadlocks = 2 })
		time.Sleep(healthInterval)
		synctest.Wait()
		require.Equal(t, 1.0, reg.Value("perdure_pg_samples_total", "error"))
		p.says(nil, func(*postgres.Health) {})
		time.Sleep(healthInterval)
		synctest.Wait()
		require.Equal(t, 4.0, reg.Value("perdure_pg_deadlocks_total"))
		watch.Stop()
	})
}

func TestOtherBackendsAreNotLookedAt(t *testing.T) {
	var none *databaseWatch
	require.Equal(t, none, watchDatabase(struct{}{}, slog.Default(), metrics.NewRegistry()))
	none.Stop()
}
