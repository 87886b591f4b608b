package matching

import (
	"context"
	"sync"
)

// tracker counts what is under way, so that Stop can wait for it.
type tracker struct {
	mu    sync.Mutex
	count int
	idle  chan struct{} // closed when count reaches zero; nil while nobody waits
}

func (t *tracker) begin() {
	t.mu.Lock()
	t.count++
	t.mu.Unlock()
}

func (t *tracker) end() {
	t.mu.Lock()
	t.count--
	if t.count == 0 && t.idle != nil {
		close(t.idle)
		t.idle = nil
	}
	t.mu.Unlock()
}

// wait returns nil once nothing is under way, or the error of ctx.
func (t *tracker) wait(ctx context.Context) error {
	t.mu.Lock()
	if t.count == 0 {
		t.mu.Unlock()
		return nil
	}
	if t.idle == nil {
		t.idle = make(chan struct{})
	}
	idle := t.idle
	t.mu.Unlock()
	select {
	case <-idle:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
