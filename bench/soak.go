package main

import (
	"context"
	"sync"
	"time"

	"perdure/bench/load"
	"perdure/bench/measure"
	"perdure/bench/report"
)

// calibrationDuration is how long the highest throughput is looked for before a soak.
const calibrationDuration = 10 * time.Second

// soak offers a percentage of the highest throughput for a long time and looks at memory, latency and tables now and then.
func (r *runner) soak(ctx context.Context, t *target) error {
	scenario, err := load.Find(r.scenario)
	if err != nil {
		return err
	}
	most, err := r.measure(ctx, t, step{scenario: scenario, inflight: calibrationInflight, duration: min(calibrationDuration, r.duration)})
	if err != nil {
		return err
	}
	watch := &watcher{sources: t.sources, interval: r.interval}
	result, err := r.play(ctx, t, step{scenario: scenario, inflight: openInflight, rate: max(1, most.PerSecond*r.soakPercent/100)}, watch)
	if err != nil {
		return err
	}
	result.Points = watch.points
	r.add(result)
	return nil
}

// watcher takes samples during a run. A nil one takes none.
type watcher struct {
	sources  measure.Sources
	interval time.Duration

	live    func() load.Distribution
	begun   time.Time
	before  load.Distribution
	points  []report.Point
	err     error
	end     context.CancelFunc
	running sync.WaitGroup
}

// hooks are those of the window, with the watcher's beside them.
func (w *watcher) hooks(window *measure.Window) load.Hooks {
	if w == nil {
		return load.Hooks{Open: window.Open, Close: window.Close}
	}
	return load.Hooks{
		Live: func(live func() load.Distribution) { w.live = live },
		Open: func(ctx context.Context) error {
			ctx, w.end = context.WithCancel(ctx)
			w.begun, w.before = time.Now(), w.live()
			w.running.Go(func() { w.watch(ctx) })
			return window.Open(ctx)
		},
		Close: func(ctx context.Context) error {
			w.end()
			w.running.Wait()
			if w.err != nil {
				return w.err
			}
			return window.Close(ctx)
		},
	}
}

func (w *watcher) watch(ctx context.Context) {
	ticker := time.NewTicker(w.interval)
	defer ticker.Stop()
	last := time.Now()
	for w.err == nil {
		select {
		case now := <-ticker.C:
			w.err = w.look(context.WithoutCancel(ctx), now.Sub(last))
			last = now
		case <-ctx.Done():
			return
		}
	}
}

// look adds a point for the time since the last one.
func (w *watcher) look(ctx context.Context, since time.Duration) error {
	now := w.live()
	sample, err := w.sources.Sample(ctx)
	if err != nil {
		return err
	}
	tables, err := w.sources.Tables(ctx)
	if err != nil {
		return err
	}
	interval := now.Since(w.before)
	w.before = now
	p := report.Point{
		Seconds: time.Since(w.begun).Seconds(), PerSecond: float64(interval.Count()) / since.Seconds(), Latency: report.LatencyOf(interval),
		ResidentBytes: sample.ResidentBytes, HeapBytes: sample.HeapBytes, PendingRows: sample.PendingRows,
		DatabaseBytes: sample.DatabaseBytes, TableBytes: tables,
	}
	w.points = append(w.points, p)
	say("%6.0f s: %.0f a second, p99 %.1f ms, %.0f MB resident, database %.0f MB",
		p.Seconds, p.PerSecond, p.P99, p.ResidentBytes/(1<<20), p.DatabaseBytes/(1<<20))
	return nil
}
