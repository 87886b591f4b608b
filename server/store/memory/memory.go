// Package memory keeps a store in the memory of this process. It is the plain
// reading of the interface: one lock, maps, and nothing that survives.
package memory

import (
	"context"
	"errors"
	"sync"
	"time"

	"perdure/server/store"
)

var errClosed = errors.New("the memory store is closed")

// Data is what the handles of one store share. It lives on when they are closed.
type Data struct {
	mu         sync.RWMutex
	shards     []*shard // in order of id, which starts at 1
	executions map[store.ExecutionKey]*store.Execution
	workflows  map[int64][]store.ExecutionKey // by hash, in order of creation
	history    map[store.ExecutionKey][]store.Batch
	wakes      map[store.ExecutionKey]time.Time
	backlog    map[store.QueueKey][]store.QueueTask // in order of id
	meta       map[metaKey]store.Meta
}

type shard struct {
	store.Shard
	log     []store.LogRow // in order of seq
	cursors []byte
	trimmed int64 // highest seq ever trimmed
}

type metaKey struct{ kind, key string }

// Store is one handle on Data.
type Store struct {
	data     *Data
	counters store.Counters

	mu     sync.RWMutex // held for reading by running calls, so that Close waits
	closed bool
}

var _ store.Store = (*Store)(nil)

// New makes empty data with that many shards.
func New(shards int) (*Data, error) {
	rows, err := store.NewShards(shards)
	if err != nil {
		return nil, err
	}
	d := &Data{
		executions: map[store.ExecutionKey]*store.Execution{},
		workflows:  map[int64][]store.ExecutionKey{},
		history:    map[store.ExecutionKey][]store.Batch{},
		wakes:      map[store.ExecutionKey]time.Time{},
		backlog:    map[store.QueueKey][]store.QueueTask{},
		meta:       map[metaKey]store.Meta{},
	}
	for _, row := range rows {
		d.shards = append(d.shards, &shard{Shard: row})
	}
	return d, nil
}

// Open returns a further handle on the data.
func (d *Data) Open() *Store { return &Store{data: d} }

// Open makes a new store with that many shards.
func Open(shards int) (*Store, error) {
	d, err := New(shards)
	if err != nil {
		return nil, err
	}
	return d.Open(), nil
}

// Stats tells how much was committed through this handle.
func (s *Store) Stats() store.Stats { return s.counters.Stats() }

// Close makes later calls fail. The data goes with its last handle.
func (s *Store) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	return nil
}

// enter starts a call; the caller must call leave when there is no error.
func (s *Store) enter(ctx context.Context) error {
	s.mu.RLock()
	err := ctx.Err()
	if s.closed {
		err = errClosed
	}
	if err != nil {
		s.mu.RUnlock()
	}
	return err
}

func (s *Store) read(ctx context.Context, f func(d *Data) error) error {
	if err := s.enter(ctx); err != nil {
		return err
	}
	defer s.mu.RUnlock()
	s.data.mu.RLock()
	defer s.data.mu.RUnlock()
	return f(s.data)
}

func (s *Store) write(ctx context.Context, f func(d *Data) error) error {
	if err := s.enter(ctx); err != nil {
		return err
	}
	defer s.mu.RUnlock()
	s.data.mu.Lock()
	defer s.data.mu.Unlock()
	return f(s.data)
}

// fenced runs f when lease is the stored one.
func (s *Store) fenced(ctx context.Context, lease store.Lease, f func(d *Data, held *shard) error) error {
	return s.write(ctx, func(d *Data) error {
		held, err := d.held(lease)
		if err != nil {
			return err
		}
		return f(d, held)
	})
}
