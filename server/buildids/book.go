package buildids

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"perdure/server/apierr"
	"perdure/server/clock"
	"perdure/server/cluster"
	"perdure/server/store"
	"perdure/server/versioning"
)

const (
	// RefreshAfter is how long a cached record is believed without a look at
	// the store: what another node changed shows up within this time.
	RefreshAfter = 2 * time.Second
	// metaKind is the kind of the records in the store.
	metaKind = "build-ids"
	// knownMax bounds the cache, in task queues: names are the clients' own.
	knownMax = 10_000
	// changeTriesMax bounds how often a change is made anew since others were quicker.
	changeTriesMax = 5
)

// Config is what a book is made of.
type Config struct {
	Store   store.Store
	Pollers cluster.PollerLookup
	Limits  versioning.Limits
	Clock   clock.Clock // nil: the wall clock
}

// Book finds and changes the build ids of task queues. It is a cluster.BuildIDs.
type Book struct {
	store   store.Store
	pollers cluster.PollerLookup
	limits  versioning.Limits
	clock   clock.Clock

	mu    sync.RWMutex
	known map[queueKey]entry
}

var _ cluster.BuildIDs = (*Book)(nil)

// queueKey names a task queue with all its types.
type queueKey struct{ namespaceID, name string }

// String is the key of the queue's record.
func (k queueKey) String() string { return k.namespaceID + "/" + k.name }

// entry is a record with the time at which the store was asked for it.
type entry struct {
	data    versioning.Data
	version int64 // of the record; 0: there is none
	readAt  time.Time
}

// New makes a book over the metadata records of a store.
func New(c Config) *Book {
	b := &Book{store: c.Store, pollers: c.Pollers, limits: c.Limits, clock: c.Clock, known: map[queueKey]entry{}}
	if b.clock == nil {
		b.clock = clock.Wall()
	}
	return b
}

// Of tells what a task queue knows of build ids. See cluster.BuildIDs.
func (b *Book) Of(ctx context.Context, namespaceID, queue string) (versioning.Data, error) {
	key := queueKey{namespaceID, queue}
	b.mu.RLock()
	e, cached := b.known[key]
	b.mu.RUnlock()
	if cached && b.clock.Now().Sub(e.readAt) < RefreshAfter {
		return e.data, nil
	}
	fresh, err := b.read(ctx, key)
	switch {
	case err == nil:
		return fresh.data, nil
	case cached:
		return e.data, nil // the last known state is better than none
	default:
		return versioning.Data{}, err
	}
}

// read asks the store. A queue without a record has version 0.
func (b *Book) read(ctx context.Context, key queueKey) (entry, error) {
	at := b.clock.Now()
	m, err := b.store.Meta(ctx, metaKind, key.String())
	if errors.Is(err, store.ErrNotFound) {
		return b.keep(key, entry{readAt: at}), nil
	}
	if err != nil {
		return entry{}, apierr.Unavailable("the build ids of task queue %s could not be read: %v", key.name, err)
	}
	data, err := decode(m)
	if err != nil {
		return entry{}, err
	}
	return b.keep(key, entry{data: data, version: m.Version, readAt: at}), nil
}

func decode(m store.Meta) (versioning.Data, error) {
	var data versioning.Data
	if err := json.Unmarshal(m.Data, &data); err != nil {
		return data, fmt.Errorf("build ids of %q: %w: %w", m.Key, store.ErrDamaged, err)
	}
	return data, nil
}

// keep caches what was read or written unless something newer is there, and
// returns what is cached.
func (b *Book) keep(key queueKey, e entry) entry {
	b.mu.Lock()
	defer b.mu.Unlock()
	if old, cached := b.known[key]; cached && old.version > e.version {
		old.readAt = e.readAt
		e = old
	}
	if len(b.known) >= knownMax {
		clear(b.known) // it is only a cache
	}
	b.known[key] = e
	return e
}

// change lets change make new data of the stored ones and stores it. change may
// run more than once, when somebody else changes the queue at the same time;
// its error ends the attempt and nothing is written.
func (b *Book) change(ctx context.Context, key queueKey, change func(entry) (versioning.Data, error)) (entry, error) {
	for range changeTriesMax {
		e, err := b.changeOnce(ctx, key, change)
		if !errors.Is(err, store.ErrConflict) {
			return e, err
		}
	}
	return entry{}, apierr.Unavailable("the build ids of task queue %s are being changed by others, please retry", key.name)
}

func (b *Book) changeOnce(ctx context.Context, key queueKey, change func(entry) (versioning.Data, error)) (entry, error) {
	stored, err := b.read(ctx, key)
	if err != nil {
		return entry{}, err
	}
	next, err := change(stored)
	if err != nil {
		return entry{}, err
	}
	text, err := json.Marshal(next)
	if err != nil {
		return entry{}, fmt.Errorf("encode build ids: %w", err)
	}
	e := entry{data: next, version: stored.version + 1, readAt: b.clock.Now()}
	err = b.store.PutMeta(ctx, store.Meta{Kind: metaKind, Key: key.String(), Version: e.version, Data: text})
	switch {
	case errors.Is(err, store.ErrConflict):
		return entry{}, err
	case err != nil:
		return entry{}, apierr.Unavailable("the build ids of task queue %s could not be written: %v", key.name, err)
	}
	return b.keep(key, e), nil
}

// QueuesOf lists the task queues of a namespace whose sets have a build id. See cluster.BuildIDs.
func (b *Book) QueuesOf(ctx context.Context, namespaceID, build string) ([]string, error) {
	records, err := b.store.ListMeta(ctx, metaKind)
	if err != nil {
		return nil, apierr.Unavailable("the build ids could not be read: %v", err)
	}
	var names []string
	for _, m := range records {
		name, ours := strings.CutPrefix(m.Key, namespaceID+"/")
		if !ours {
			continue
		}
		data, err := decode(m)
		if err != nil {
			return nil, err
		}
		if data.HasSetOf(build) {
			names = append(names, name)
		}
	}
	return names, nil
}
