package tracing

import (
	"context"
	"errors"
	"sync"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace"
	resourcepb "go.opentelemetry.io/proto/otlp/resource/v1"

	"perdure/server/metrics"
	"perdure/server/spans"
)

// queue holds spans on their way to the receiver, in memory. A full one drops
// what comes: a trace is worth less than the workflow that it is of.
type queue struct {
	client   otlptrace.Client
	resource *resourcepb.Resource
	max      int

	mu      sync.Mutex
	waiting []spans.Span
	stopped bool

	wake chan struct{} // has a token when a batch is full, or at the end
	done chan struct{}
	quit context.CancelFunc

	exported, failed, dropped metrics.Counter
}

func startQueue(client otlptrace.Client, res *resourcepb.Resource, most int, reg *metrics.Registry) *queue {
	count := func(outcome string) metrics.Counter {
		return metrics.TraceSpans.In(reg, metrics.Outcome{Outcome: outcome})
	}
	ctx, quit := context.WithCancel(context.Background())
	q := &queue{
		client: client, resource: res, max: most, wake: make(chan struct{}, 1), done: make(chan struct{}), quit: quit,
		exported: count("exported"), failed: count("failed"), dropped: count("dropped"),
	}
	go q.run(ctx)
	return q
}

// offer takes the spans that there is room for, all of them or none.
func (q *queue) offer(list []spans.Span) {
	q.mu.Lock()
	full := q.stopped || len(q.waiting)+len(list) > q.max
	if !full {
		q.waiting = append(q.waiting, list...)
	}
	enough := len(q.waiting) >= spansPerMessage
	q.mu.Unlock()
	if full {
		q.dropped.Add(float64(len(list)))
	}
	if enough {
		q.nudge()
	}
}

func (q *queue) nudge() {
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

// run exports until the end.
func (q *queue) run(ctx context.Context) {
	defer close(q.done)
	tick := time.NewTicker(flushInterval)
	defer tick.Stop()
	for {
		select {
		case <-q.wake:
		case <-tick.C:
		}
		q.mu.Lock()
		list, last := q.waiting, q.stopped
		q.mu.Unlock()
		sent := 0
		for sent < len(list) && ctx.Err() == nil {
			n := min(len(list)-sent, spansPerMessage)
			q.export(ctx, list[sent:sent+n])
			sent += n
			q.forget(n)
		}
		if last || ctx.Err() != nil {
			return
		}
	}
}

// forget makes room for as many spans: what is on its way counts as waiting.
func (q *queue) forget(n int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.waiting = q.waiting[n:]; len(q.waiting) == 0 {
		q.waiting = nil
	}
}

func (q *queue) export(ctx context.Context, list []spans.Span) {
	if err := upload(ctx, q.client, q.resource, list); err != nil {
		q.failed.Add(float64(len(list)))
		otel.Handle(err)
		return
	}
	q.exported.Add(float64(len(list)))
}

// stop exports what waits, at most until ctx ends.
func (q *queue) stop(ctx context.Context) error {
	q.mu.Lock()
	q.stopped = true
	q.mu.Unlock()
	q.nudge()
	var late error
	select {
	case <-q.done:
	case <-ctx.Done():
		late = errors.New("spans were left behind at the end of the time to stop")
		q.quit()
		<-q.done
	}
	q.quit()
	return errors.Join(late, q.client.Stop(context.WithoutCancel(ctx)))
}
