package outbound

import (
	"context"
	"net/http"
	"sync"
	"time"

	"perdure/server/cluster"
	"perdure/server/metrics"
	"perdure/server/nexus"
)

// Config is what a queue is made of. All but Transport and Metrics must be set.
type Config struct {
	// Allowed are the addresses that may be called.
	Allowed nexus.AddressRules
	// RequestTimeout bounds one call.
	RequestTimeout time.Duration
	// CallsMax bounds the calls under way, DestinationCallsMax those to one destination.
	CallsMax, DestinationCallsMax int
	// WaitingMax bounds the calls that wait for a place; others are postponed.
	WaitingMax int
	// FailuresMax is how many calls in a row may fail before a destination is left alone for Pause.
	FailuresMax int
	Pause       time.Duration
	// Transport replaces the usual way to addresses.
	Transport http.RoundTripper
	Metrics   *metrics.Registry
}

// Queue implements cluster.Outbound.
type Queue struct {
	cfg     Config
	client  *client
	metrics queueMetrics
	ctx     context.Context // of calls
	cancel  context.CancelFunc
	running sync.WaitGroup

	mu           sync.Mutex
	draining     bool
	calls        map[cluster.OutboundKey]bool // that wait or are under way
	waiting      int
	underWay     int
	blocked      int // destinations that are left alone
	destinations map[string]*destination
	ready        []*destination // that have a call waiting and room for it, first come first
}

// destination is where calls go.
type destination struct {
	waiting  []cluster.OutboundCall
	underWay int
	breaker  breaker
	isReady  bool
}

var _ cluster.Outbound = (*Queue)(nil)

// New makes a queue. Stop ends it.
func New(c Config) *Queue {
	q := &Queue{
		cfg: c, client: newClient(c), metrics: newQueueMetrics(c.Metrics),
		calls: make(map[cluster.OutboundKey]bool), destinations: make(map[string]*destination),
	}
	q.ctx, q.cancel = context.WithCancel(context.Background())
	return q
}

// busyWait is how long a call waits that found no place in the queue.
const busyWait = time.Second

// Submit implements cluster.Outbound. Once the queue drains, calls are dropped.
func (q *Queue) Submit(call cluster.OutboundCall) {
	q.mu.Lock()
	postponed := q.submit(call, time.Now())
	q.mu.Unlock()
	tell(postponed)
}

// postponed is a call that its owner has to submit again.
type postponed struct {
	call  cluster.OutboundCall
	until time.Time
}

func tell(calls []postponed) {
	for _, p := range calls {
		p.call.Postponed(p.until)
	}
}

func (q *Queue) submit(call cluster.OutboundCall, now time.Time) []postponed {
	if q.draining || q.calls[call.Key] {
		return nil
	}
	if q.waiting >= q.cfg.WaitingMax {
		return []postponed{{call, now.Add(busyWait)}}
	}
	d := q.destinations[call.Destination]
	if d == nil {
		q.forgetIdle(now)
		d = &destination{}
		q.destinations[call.Destination] = d
	}
	q.calls[call.Key] = true
	q.waiting++
	d.waiting = append(d.waiting, call)
	q.makeReady(d)
	return q.dispatch(now)
}

func (q *Queue) makeReady(d *destination) {
	if !d.isReady && len(d.waiting) > 0 && d.underWay < q.cfg.DestinationCallsMax {
		d.isReady = true
		q.ready = append(q.ready, d)
	}
}

// dispatch begins calls while there is room, one of each destination in turn.
func (q *Queue) dispatch(now time.Time) []postponed {
	var back []postponed
	for q.underWay < q.cfg.CallsMax && len(q.ready) > 0 {
		d := q.ready[0]
		q.ready, d.isReady = q.ready[1:], false
		if ok, until := d.breaker.admit(now, q.cfg.FailuresMax); !ok {
			for _, call := range q.giveBack(d) {
				back = append(back, postponed{call, until})
			}
			continue
		}
		call := d.waiting[0]
		d.waiting = d.waiting[1:]
		q.waiting--
		q.underWay++
		d.underWay++
		q.running.Go(func() { q.run(d, call) })
		q.makeReady(d)
	}
	q.measure()
	return back
}

// giveBack takes all that waits for a destination out of the queue.
func (q *Queue) giveBack(d *destination) []cluster.OutboundCall {
	calls := d.waiting
	d.waiting = nil
	q.waiting -= len(calls)
	for _, call := range calls {
		delete(q.calls, call.Key)
	}
	return calls
}

func (q *Queue) run(d *destination, call cluster.OutboundCall) {
	start := time.Now()
	health := call.Make(q.ctx, q.client)
	q.metrics.made(call.Key.Kind, health, start)
	q.mu.Lock()
	back := q.finish(d, call, health, time.Now())
	q.mu.Unlock()
	tell(back)
}

func (q *Queue) finish(d *destination, call cluster.OutboundCall, health cluster.OutboundHealth, now time.Time) []postponed {
	delete(q.calls, call.Key)
	q.underWay--
	d.underWay--
	wasBlocked := d.breaker.blocks(q.cfg.FailuresMax)
	if health == cluster.HealthUnknown {
		d.breaker.giveUp()
	} else {
		d.breaker.note(health == cluster.Healthy, now, q.cfg.FailuresMax, q.cfg.Pause)
	}
	q.countBlocked(wasBlocked, d.breaker.blocks(q.cfg.FailuresMax))
	if d.underWay == 0 && len(d.waiting) == 0 && d.breaker.failures == 0 && q.destinations[call.Destination] == d {
		delete(q.destinations, call.Destination)
	}
	q.makeReady(d)
	return q.dispatch(now)
}

func (q *Queue) countBlocked(was, is bool) {
	switch {
	case is && !was:
		q.blocked++
	case was && !is:
		q.blocked--
	}
}

// failingMax bounds the destinations that are remembered for their failures only.
const failingMax = 10_000

// forgetIdle forgets failures of long ago when there are too many of them.
func (q *Queue) forgetIdle(now time.Time) {
	if len(q.destinations) < failingMax {
		return
	}
	for name, d := range q.destinations {
		if d.underWay == 0 && len(d.waiting) == 0 && now.After(d.breaker.openUntil) {
			q.countBlocked(d.breaker.blocks(q.cfg.FailuresMax), false)
			delete(q.destinations, name)
		}
	}
}

// Blocked implements cluster.Outbound.
func (q *Queue) Blocked(name string) string {
	q.mu.Lock()
	defer q.mu.Unlock()
	if d := q.destinations[name]; d != nil && d.breaker.blocks(q.cfg.FailuresMax) {
		return "The circuit breaker is open."
	}
	return ""
}

// Drain begins no more calls.
func (q *Queue) Drain() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.draining = true
	for _, d := range q.destinations {
		q.giveBack(d)
	}
	q.ready = nil
	q.measure()
}

// Stop waits for the calls under way; those that ctx does not leave time for
// are cut off. Their owners make them again after the next start.
func (q *Queue) Stop(ctx context.Context) {
	q.Drain()
	done := make(chan struct{})
	go func() { q.running.Wait(); close(done) }()
	select {
	case <-done:
	case <-ctx.Done():
	}
	q.cancel()
	<-done
}
