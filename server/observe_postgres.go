package server

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"perdure/server/metrics"
	"perdure/server/store/postgres"
)

const (
	// healthInterval is the time between two looks at the database.
	healthInterval = 15 * time.Second
	// healthTimeout bounds one look.
	healthTimeout = 5 * time.Second
)

// pooled is a backend with connections.
type pooled interface {
	Pools() map[string]*pgxpool.Stat
}

// observePools tells how connections are used, just before each scrape.
func observePools(backend any, reg *metrics.Registry) {
	p, ok := backend.(pooled)
	if !ok {
		return
	}
	meters := map[string]*poolMeter{}
	for name := range p.Pools() {
		meters[name] = newPoolMeter(name, reg)
	}
	reg.OnScrape(func() {
		for name, stat := range p.Pools() {
			meters[name].set(stat)
		}
	})
}

type poolMeter struct {
	idle, inUse, max       metrics.Gauge
	acquired, waited, wait *growing
}

func newPoolMeter(name string, reg *metrics.Registry) *poolMeter {
	connections := func(state string) metrics.Gauge {
		return metrics.PoolConnections.In(reg, metrics.Pool{Pool: name, State: state})
	}
	pool := metrics.PoolName{Pool: name}
	return &poolMeter{
		idle: connections("idle"), inUse: connections("in_use"), max: connections("max"),
		acquired: &growing{counter: metrics.PoolAcquired.In(reg, pool)},
		waited:   &growing{counter: metrics.PoolWaited.In(reg, pool)},
		wait:     &growing{counter: metrics.PoolWait.In(reg, pool)},
	}
}

func (m *poolMeter) set(s *pgxpool.Stat) {
	m.idle.Set(float64(s.IdleConns()))
	m.inUse.Set(float64(s.AcquiredConns()))
	m.max.Set(float64(s.MaxConns()))
	m.acquired.set(float64(s.AcquireCount()))
	m.waited.set(float64(s.EmptyAcquireCount()))
	m.wait.set(s.EmptyAcquireWaitTime().Seconds())
}

// growing moves a count that another keeps into a counter. The other one may begin anew.
type growing struct {
	counter metrics.Counter
	last    float64
}

func (g *growing) set(now float64) {
	if now > g.last {
		g.counter.Add(now - g.last)
	}
	g.last = now
}

// healthy is a backend that can say how its database is.
type healthy interface {
	Health(ctx context.Context) (postgres.Health, error)
}

// databaseWatch looks at the database now and then.
type databaseWatch struct {
	stop context.CancelFunc
	done sync.WaitGroup
}

// watchDatabase begins to look at a database server. The nil watch of other backends does nothing.
func watchDatabase(backend any, logger *slog.Logger, reg *metrics.Registry) *databaseWatch {
	h, ok := backend.(healthy)
	if !ok || reg == nil {
		return nil
	}
	ctx, stop := context.WithCancel(context.Background())
	w := &databaseWatch{stop: stop}
	meter := newDatabaseMeter(reg)
	w.done.Go(func() {
		ticker := time.NewTicker(healthInterval)
		defer ticker.Stop()
		for {
			meter.look(ctx, h, logger)
			select {
			case <-ticker.C:
			case <-ctx.Done():
				return
			}
		}
	})
	return w
}

// Stop waits for a look under way, which is cut off.
func (w *databaseWatch) Stop() {
	if w != nil {
		w.stop()
		w.done.Wait()
	}
}

type databaseMeter struct {
	reg                                *metrics.Registry
	commits, rollbacks, deadlocks, wal *growing
	cache, disk                        *growing
	tables                             map[string]bool // shown now
}

func newDatabaseMeter(reg *metrics.Registry) *databaseMeter {
	return &databaseMeter{
		reg:       reg,
		commits:   &growing{counter: metrics.PGTransactions.In(reg, metrics.Outcome{Outcome: "committed"})},
		rollbacks: &growing{counter: metrics.PGTransactions.In(reg, metrics.Outcome{Outcome: "rolled_back"})},
		deadlocks: &growing{counter: metrics.PGDeadlocks.In(reg, metrics.None{})},
		wal:       &growing{counter: metrics.PGWAL.In(reg, metrics.None{})},
		cache:     &growing{counter: metrics.PGBlocks.In(reg, metrics.Source{Source: "cache"})},
		disk:      &growing{counter: metrics.PGBlocks.In(reg, metrics.Source{Source: "disk"})},
		tables:    map[string]bool{},
	}
}

func (m *databaseMeter) look(ctx context.Context, h healthy, logger *slog.Logger) {
	short, done := context.WithTimeout(ctx, healthTimeout)
	defer done()
	health, err := h.Health(short)
	if ctx.Err() != nil {
		return
	}
	if err != nil {
		metrics.PGSamples.In(m.reg, metrics.Outcome{Outcome: "error"}).Inc()
		logger.WarnContext(ctx, "the database does not say how it is", "error", err)
		return
	}
	metrics.PGSamples.In(m.reg, metrics.Outcome{Outcome: "ok"}).Inc()
	m.showServer(health)
	m.showTables(health.Tables)
}

func (m *databaseMeter) showServer(h postgres.Health) {
	none := metrics.None{}
	metrics.PGDatabaseBytes.In(m.reg, none).Set(float64(h.DatabaseBytes))
	metrics.PGXIDAge.In(m.reg, none).Set(float64(h.XIDAge))
	metrics.PGLongestTransaction.In(m.reg, none).Set(h.LongestTransaction.Seconds())
	metrics.PGReplicationLag.In(m.reg, none).Set(h.ReplicationLag.Seconds())
	metrics.PGLocksWaiting.In(m.reg, none).Set(float64(h.LocksWaiting))
	metrics.PGConnectionsMax.In(m.reg, none).Set(float64(h.ConnectionsMax))
	for state, count := range h.Connections {
		metrics.PGConnections.In(m.reg, metrics.State{State: state}).Set(float64(count))
	}
	m.commits.set(float64(h.Commits))
	m.rollbacks.set(float64(h.Rollbacks))
	m.deadlocks.set(float64(h.Deadlocks))
	m.wal.set(float64(h.WALBytes))
	m.cache.set(float64(h.BlocksHit))
	m.disk.set(float64(h.BlocksGot))
}

func (m *databaseMeter) showTables(tables []postgres.TableHealth) {
	gone := m.tables
	m.tables = map[string]bool{}
	for _, t := range tables {
		labels := metrics.Table{Table: t.Name}
		m.tables[t.Name] = true
		delete(gone, t.Name)
		metrics.PGTableBytes.In(m.reg, labels).Set(float64(t.Bytes))
		metrics.PGDeadRows.In(m.reg, labels).Set(float64(t.DeadRows) / float64(max(1, t.LiveRows+t.DeadRows)))
		if t.VacuumedAgo >= 0 {
			metrics.PGVacuumAge.In(m.reg, labels).Set(t.VacuumedAgo.Seconds())
		}
	}
	for name := range gone {
		labels := metrics.Table{Table: name}
		metrics.PGTableBytes.Forget(m.reg, labels)
		metrics.PGDeadRows.Forget(m.reg, labels)
		metrics.PGVacuumAge.Forget(m.reg, labels)
	}
}
