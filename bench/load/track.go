package load

import (
	"sync/atomic"
	"time"
)

// window is a time in which is measured. Its zero value has not begun.
type window struct{ begun, ended atomic.Int64 } // Unix nanoseconds; 0: not yet

func (w *window) open()  { w.begun.Store(time.Now().UnixNano()) }
func (w *window) close() { w.ended.Store(time.Now().UnixNano()) }

// contains tells whether a moment that is not in the future lies in the window.
func (w *window) contains(t time.Time) bool {
	begun, ended, at := w.begun.Load(), w.ended.Load(), t.UnixNano()
	return begun != 0 && at >= begun && (ended == 0 || at < ended)
}

// length is 0 until the window is closed.
func (w *window) length() time.Duration {
	if w.ended.Load() == 0 {
		return 0
	}
	return time.Duration(w.ended.Load() - w.begun.Load())
}

// track is one series of measurements.
type track struct {
	name      string
	window    *window
	histogram Histogram
	done      atomic.Int64 // units that ended in the window
	unstarted atomic.Int64 // units that were due in the window and could not begin
}

// add measures what took d and ended just now.
func (t *track) add(d time.Duration) {
	if t.window.contains(time.Now()) {
		t.done.Add(1)
		t.histogram.Add(d)
	}
}

// addDue measures a unit of an open loop: it counts when it ended in the window, its latency when it was due there.
func (t *track) addDue(due, ended time.Time) {
	if t.window.contains(ended) {
		t.done.Add(1)
	}
	if t.window.contains(due) {
		t.histogram.Add(ended.Sub(due))
	}
}

// missed notes a unit that was due and will never begin: its latency would have been at least this.
func (t *track) missed(due, now time.Time) {
	if t.window.contains(due) {
		t.unstarted.Add(1)
		t.histogram.Add(now.Sub(due))
	}
}

// Series is what a track measured.
type Series struct {
	Name      string
	Seconds   float64
	Done      int64
	Unstarted int64
	Latency   Distribution
}

func (t *track) series() Series {
	return Series{
		Name: t.name, Seconds: t.window.length().Seconds(), Done: t.done.Load(), Unstarted: t.unstarted.Load(),
		Latency: t.histogram.Snapshot(),
	}
}
