package buildids

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"perdure/server/apierr"
	"perdure/server/clock"
	"perdure/server/cluster"
	"perdure/server/deployment"
	"perdure/server/store"
	"perdure/server/versioning"
)

const (
	// metaKind is the kind of the records in the store.
	metaKind = "build-ids"
	// changeTriesMax bounds how often a change is made anew since others were quicker.
	changeTriesMax = 5
	// storeTimeout bounds a read that no caller waits for.
	storeTimeout = 10 * time.Second
)

// Config is what a book is made of. Store, Pollers and Limits must be set.
type Config struct {
	Store   store.Store
	Pollers cluster.PollerLookup
	Limits  versioning.Limits
	// Changed hears what the task queues of a namespace know now; nil: nobody does.
	Changed func(namespaceID string, builds deployment.Builds)
	// RefreshAfter is how often the store is looked at for what other nodes
	// have changed; 0: there are none.
	RefreshAfter time.Duration
	Logger       *slog.Logger // nil: none
	Clock        clock.Clock  // nil: the wall clock
}

// Book finds and changes the build ids of task queues. It is a cluster.BuildIDs.
type Book struct {
	config Config
	limits versioning.Limits
	clock  clock.Clock
	logger *slog.Logger

	mu     sync.RWMutex
	known  map[queueKey]entry
	builds map[string]deployment.Builds // by namespace; never changed in place

	asked   atomic.Bool // since the last look at the store
	telling sync.Mutex  // one at a time hears of changes, so that the last word is the newest
	cancel  context.CancelFunc
	running sync.WaitGroup
}

var _ cluster.BuildIDs = (*Book)(nil)

// queueKey names a task queue with all its types.
type queueKey struct{ namespaceID, name string }

// String is the key of the queue's record.
func (k queueKey) String() string { return k.namespaceID + "/" + k.name }

// keyOf reads the key of a record. False: it is none of ours.
func keyOf(record string) (queueKey, bool) {
	namespaceID, name, found := strings.Cut(record, "/")
	return queueKey{namespaceID, name}, found
}

// entry is a record.
type entry struct {
	data    *versioning.Data
	version int64 // of the record; 0: there is none
}

// none is what a queue knows that nobody has told anything.
var none = &versioning.Data{}

// New makes a book over the metadata records of a store. Load must follow.
func New(c Config) *Book {
	b := &Book{
		config: c, limits: c.Limits, clock: c.Clock, logger: c.Logger,
		known: map[queueKey]entry{}, builds: map[string]deployment.Builds{}, cancel: func() {},
	}
	if b.clock == nil {
		b.clock = clock.Wall()
	}
	if b.logger == nil {
		b.logger = slog.New(slog.DiscardHandler)
	}
	return b
}

// Load reads all records. Tasks must not be given out before.
func (b *Book) Load(ctx context.Context) error {
	records, err := b.config.Store.ListMeta(ctx, metaKind)
	if err != nil {
		return fmt.Errorf("read the build ids of task queues: %w", err)
	}
	fresh := make(map[queueKey]entry, len(records))
	for _, m := range records {
		key, ours := keyOf(m.Key)
		e, err := decode(m)
		switch {
		case !ours:
		case err != nil:
			b.logger.ErrorContext(ctx, "build ids of a task queue are damaged and do not apply", "error", err)
		default:
			fresh[key] = e
		}
	}
	b.keep(fresh)
	return nil
}

// Start begins to look for what other nodes have changed.
func (b *Book) Start() {
	if b.config.RefreshAfter == 0 {
		return
	}
	ctx, cancel := context.WithCancel(context.Background())
	b.cancel = cancel
	b.running.Go(func() { b.follow(ctx) })
}

// Stop ends what Start began.
func (b *Book) Stop() {
	b.cancel()
	b.running.Wait()
}

func (b *Book) follow(ctx context.Context) {
	timer := b.clock.NewTimer(b.config.RefreshAfter)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C():
		}
		if b.asked.Swap(false) { // a node at rest asks for nothing
			b.refresh(ctx)
		}
		timer.Reset(b.config.RefreshAfter)
	}
}

func (b *Book) refresh(ctx context.Context) {
	limited, done := context.WithTimeout(ctx, storeTimeout)
	defer done()
	if err := b.Load(limited); err != nil && ctx.Err() == nil {
		b.logger.WarnContext(ctx, "the build ids of task queues could not be read; the last known ones are used", "error", err)
	}
}

// Of tells what a task queue knows of build ids. See cluster.BuildIDs.
func (b *Book) Of(namespaceID, queue string) *versioning.Data {
	if !b.asked.Load() {
		b.asked.Store(true)
	}
	b.mu.RLock()
	defer b.mu.RUnlock()
	if data := b.builds[namespaceID][queue]; data != nil {
		return data
	}
	return none
}

// read asks the store. A queue without a record has version 0.
func (b *Book) read(ctx context.Context, key queueKey) (entry, error) {
	m, err := b.config.Store.Meta(ctx, metaKind, key.String())
	if errors.Is(err, store.ErrNotFound) {
		return entry{data: none}, nil
	}
	if err != nil {
		return entry{}, apierr.Unavailable("the build ids of task queue %s could not be read: %v", key.name, err)
	}
	return decode(m)
}

func decode(m store.Meta) (entry, error) {
	e := entry{data: &versioning.Data{}, version: m.Version}
	if err := json.Unmarshal(m.Data, e.data); err != nil {
		return e, fmt.Errorf("build ids of %q: %w: %w", m.Key, store.ErrDamaged, err)
	}
	return e, nil
}

// keep takes over what was read or written, unless something newer is there,
// and tells of what is new.
func (b *Book) keep(fresh map[queueKey]entry) {
	b.telling.Lock()
	defer b.telling.Unlock()
	for namespaceID, builds := range b.merge(fresh) {
		if b.config.Changed != nil {
			b.config.Changed(namespaceID, builds)
		}
	}
}

// merge is keep without its messages: it returns the namespaces that have changed.
func (b *Book) merge(fresh map[queueKey]entry) map[string]deployment.Builds {
	b.mu.Lock()
	defer b.mu.Unlock()
	changed := map[string]deployment.Builds{}
	for key, e := range fresh {
		if old, known := b.known[key]; known && old.version >= e.version {
			continue
		}
		b.known[key] = e
		if changed[key.namespaceID] == nil {
			changed[key.namespaceID] = deployment.Builds{}
			maps.Copy(changed[key.namespaceID], b.builds[key.namespaceID])
		}
		changed[key.namespaceID][key.name] = e.data
	}
	maps.Copy(b.builds, changed)
	return changed
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
	e := entry{data: &next, version: stored.version + 1}
	err = b.config.Store.PutMeta(ctx, store.Meta{Kind: metaKind, Key: key.String(), Version: e.version, Data: text})
	switch {
	case errors.Is(err, store.ErrConflict):
		return entry{}, err
	case err != nil:
		return entry{}, apierr.Unavailable("the build ids of task queue %s could not be written: %v", key.name, err)
	}
	b.keep(map[queueKey]entry{key: e})
	return e, nil
}

// QueuesOf lists the task queues of a namespace whose sets have a build id. See cluster.BuildIDs.
func (b *Book) QueuesOf(ctx context.Context, namespaceID, build string) ([]string, error) {
	records, err := b.config.Store.ListMeta(ctx, metaKind)
	if err != nil {
		return nil, apierr.Unavailable("the build ids could not be read: %v", err)
	}
	var names []string
	for _, m := range records {
		key, ours := keyOf(m.Key)
		if !ours || key.namespaceID != namespaceID {
			continue
		}
		e, err := decode(m)
		if err != nil {
			return nil, err
		}
		if e.data.HasSetOf(build) {
			names = append(names, key.name)
		}
	}
	return names, nil
}

// DropBuildIDs implements cluster.BuildIDHousekeeping.
func (b *Book) DropBuildIDs(ctx context.Context, namespaceID string) error {
	records, err := b.config.Store.ListMeta(ctx, metaKind)
	if err != nil {
		return fmt.Errorf("list the build ids of task queues: %w", err)
	}
	for _, m := range records {
		if key, ours := keyOf(m.Key); !ours || key.namespaceID != namespaceID {
			continue
		}
		m.Data, m.Version = nil, m.Version+1
		if err := b.config.Store.PutMeta(ctx, m); err != nil {
			return fmt.Errorf("drop the build ids of a task queue: %w", err)
		}
	}
	b.forget(namespaceID)
	return nil
}

// forget lets go of a namespace that is gone.
func (b *Book) forget(namespaceID string) {
	b.telling.Lock()
	defer b.telling.Unlock()
	b.mu.Lock()
	delete(b.builds, namespaceID)
	maps.DeleteFunc(b.known, func(key queueKey, _ entry) bool { return key.namespaceID == namespaceID })
	b.mu.Unlock()
	if b.config.Changed != nil {
		b.config.Changed(namespaceID, nil)
	}
}
