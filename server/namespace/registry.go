// Package namespace keeps the namespaces: their records in the store and a
// cache of them on each node.
//
// A change made on a node shows on that node at once, on others within the
// time of RefreshAfter. A cached namespace is read again only when somebody
// asks for it, so an idle server sends the store nothing.
package namespace

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	"golang.org/x/sync/singleflight"

	"perdure/server/apierr"
	"perdure/server/clock"
	"perdure/server/cluster"
	"perdure/server/store"
	"perdure/visibility/attr"
)

const (
	// RefreshAfter is how long a cached namespace is believed without a look
	// at the store: what another node changed shows up within this time.
	RefreshAfter = 2 * time.Second
	// SystemName is the protocol's own namespace; clients expect it to exist.
	SystemName = "temporal-system"

	readTimeout    = 5 * time.Second
	changeTriesMax = 5
)

// Registry finds and changes namespaces. It is a cluster.Namespaces.
type Registry struct {
	store  store.Store
	logger *slog.Logger
	clock  clock.Clock
	reads  singleflight.Group

	mu     sync.RWMutex
	byName map[string]entry
	nameOf map[string]string // by id
}

// entry is a namespace with the time at which the store was asked for it.
type entry struct {
	namespace *cluster.Namespace
	readAt    time.Time
}

var _ cluster.Namespaces = (*Registry)(nil)

// New makes a registry over the metadata records of s.
func New(s store.Store, logger *slog.Logger) *Registry {
	return NewWithClock(s, logger, clock.Wall())
}

// NewWithClock is New with a clock of the caller's.
func NewWithClock(s store.Store, logger *slog.Logger, c clock.Clock) *Registry {
	return &Registry{store: s, logger: logger, clock: c, byName: map[string]entry{}, nameOf: map[string]string{}}
}

// ByName finds a namespace. serviceerror.NamespaceNotFound when there is none.
func (r *Registry) ByName(ctx context.Context, name string) (*cluster.Namespace, error) {
	r.mu.RLock()
	e, cached := r.byName[name]
	r.mu.RUnlock()
	if cached && r.clock.Now().Sub(e.readAt) < RefreshAfter {
		return e.namespace, nil
	}
	n, err := r.read(ctx, name)
	switch {
	case err == nil:
		return n, nil
	case errors.Is(err, store.ErrNotFound):
		return nil, serviceerror.NewNamespaceNotFound(name)
	case cached:
		r.logger.WarnContext(ctx, "a namespace could not be read again, the last known state is used", "namespace", name, "error", err)
		return e.namespace, nil
	default:
		return nil, apierr.Unavailable("namespace %s could not be read: %v", name, err)
	}
}

// ByID finds a namespace by its id. serviceerror.NamespaceNotFound when there is none.
func (r *Registry) ByID(ctx context.Context, id string) (*cluster.Namespace, error) {
	if name, known := r.knownName(id); known {
		n, err := r.ByName(ctx, name)
		if err == nil && n.ID == id {
			return n, nil
		}
	}
	if _, err := r.List(ctx); err != nil {
		return nil, err
	}
	name, known := r.knownName(id)
	if !known {
		return nil, serviceerror.NewNamespaceNotFound(id)
	}
	return r.ByName(ctx, name)
}

func (r *Registry) knownName(id string) (string, bool) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	name, known := r.nameOf[id]
	return name, known
}

// List returns all namespaces in order of name, from the store.
func (r *Registry) List(ctx context.Context) ([]*cluster.Namespace, error) {
	at := r.clock.Now()
	records, err := r.store.ListMeta(ctx, metaKind)
	if err != nil {
		return nil, apierr.Unavailable("the namespaces could not be read: %v", err)
	}
	all := make([]*cluster.Namespace, 0, len(records))
	for _, m := range records {
		n, err := decode(m)
		if err != nil {
			return nil, err
		}
		all = append(all, r.keep(n, at))
	}
	slices.SortFunc(all, func(a, b *cluster.Namespace) int { return strings.Compare(a.Name, b.Name) })
	return all, nil
}

// Ensure registers a namespace unless it exists, and returns it.
func (r *Registry) Ensure(ctx context.Context, name string, retention time.Duration) (*cluster.Namespace, error) {
	n, err := r.ByName(ctx, name)
	var missing *serviceerror.NamespaceNotFound
	if !errors.As(err, &missing) {
		return n, err
	}
	n, err = r.Register(ctx, &cluster.Namespace{Name: name, Retention: retention})
	var exists *serviceerror.NamespaceAlreadyExists
	if errors.As(err, &exists) { // another node was faster
		return r.ByName(ctx, name)
	}
	return n, err
}

// Register makes a new namespace of the name, description, owner, data and
// retention of n, and returns it as it is stored.
// serviceerror.NamespaceAlreadyExists when the name is taken.
func (r *Registry) Register(ctx context.Context, n *cluster.Namespace) (*cluster.Namespace, error) {
	made := clone(n)
	made.ID = uuid.NewString()
	made.State = enumspb.NAMESPACE_STATE_REGISTERED
	made.CreatedAt = r.clock.Now().UTC()
	made.Version = 1
	err := r.write(ctx, made)
	if errors.Is(err, store.ErrConflict) {
		return nil, serviceerror.NewNamespaceAlreadyExistsf("Namespace %q already exists", n.Name)
	}
	if err != nil {
		return nil, apierr.Unavailable("namespace %s could not be written: %v", n.Name, err)
	}
	return r.keep(made, r.clock.Now()), nil
}

// Change lets change alter a copy of the stored namespace and stores the copy.
// change may run more than once, when somebody else changes the namespace at
// the same time; its error ends the attempt and nothing is written.
func (r *Registry) Change(ctx context.Context, name string, change func(*cluster.Namespace) error) (*cluster.Namespace, error) {
	for range changeTriesMax {
		n, err := r.changeOnce(ctx, name, change)
		if !errors.Is(err, store.ErrConflict) {
			return n, err
		}
	}
	return nil, apierr.Unavailable("namespace %s is being changed by others, please retry", name)
}

func (r *Registry) changeOnce(ctx context.Context, name string, change func(*cluster.Namespace) error) (*cluster.Namespace, error) {
	stored, err := r.read(ctx, name)
	if errors.Is(err, store.ErrNotFound) {
		return nil, serviceerror.NewNamespaceNotFound(name)
	}
	if err != nil {
		return nil, apierr.Unavailable("namespace %s could not be read: %v", name, err)
	}
	n := clone(stored)
	if err := change(n); err != nil {
		return nil, err
	}
	n.Version++
	if err := r.write(ctx, n); err != nil {
		return nil, err
	}
	return r.keep(n, r.clock.Now()), nil
}

// Deprecate keeps new executions out of a namespace; running ones go on.
func (r *Registry) Deprecate(ctx context.Context, name string) error {
	_, err := r.Change(ctx, name, func(n *cluster.Namespace) error {
		n.State = enumspb.NAMESPACE_STATE_DEPRECATED
		return nil
	})
	return err
}

// AddSearchAttributes defines custom search attributes. Those that exist
// already keep their type.
func (r *Registry) AddSearchAttributes(ctx context.Context, name string, add attr.Types) error {
	return r.changeAttributes(ctx, name, func(custom attr.Types) (attr.Types, error) { return attr.Add(custom, add) })
}

// RemoveSearchAttributes takes custom search attributes away; unknown names are ignored.
func (r *Registry) RemoveSearchAttributes(ctx context.Context, name string, names []string) error {
	return r.changeAttributes(ctx, name, func(custom attr.Types) (attr.Types, error) { return attr.Remove(custom, names) })
}

// RenameSearchAttribute gives a custom search attribute another name. Runs are found by the new one at once.
func (r *Registry) RenameSearchAttribute(ctx context.Context, name, from, to string) error {
	_, err := r.Change(ctx, name, func(n *cluster.Namespace) error {
		custom, keys, err := attr.Rename(n.SearchAttributes, n.AttributeKeys, from, to)
		if err != nil {
			return apierr.InvalidArgument("%v", err)
		}
		n.SearchAttributes, n.AttributeKeys = custom, keys
		return nil
	})
	return err
}

func (r *Registry) changeAttributes(ctx context.Context, name string, change func(attr.Types) (attr.Types, error)) error {
	_, err := r.Change(ctx, name, func(n *cluster.Namespace) error {
		custom, err := change(n.SearchAttributes)
		if err != nil {
			return apierr.InvalidArgument("%v", err)
		}
		n.AttributeKeys = n.AttributeKeys.Changed(n.SearchAttributes, custom)
		n.SearchAttributes = custom
		return nil
	})
	return err
}

// read asks the store for one namespace; callers that ask at the same time share one statement.
func (r *Registry) read(ctx context.Context, name string) (*cluster.Namespace, error) {
	result := r.reads.DoChan(name, func() (any, error) {
		shared, cancel := context.WithTimeout(context.WithoutCancel(ctx), readTimeout)
		defer cancel()
		return r.readAlone(shared, name)
	})
	select {
	case <-ctx.Done():
		return nil, ctx.Err()
	case got := <-result:
		if got.Err != nil {
			return nil, got.Err
		}
		return got.Val.(*cluster.Namespace), nil
	}
}

func (r *Registry) readAlone(ctx context.Context, name string) (*cluster.Namespace, error) {
	at := r.clock.Now()
	m, err := r.store.Meta(ctx, metaKind, name)
	if errors.Is(err, store.ErrNotFound) {
		r.forget(name)
	}
	if err != nil {
		return nil, fmt.Errorf("read namespace: %w", err)
	}
	n, err := decode(m)
	if err != nil {
		return nil, err
	}
	return r.keep(n, at), nil
}

func (r *Registry) write(ctx context.Context, n *cluster.Namespace) error {
	m, err := encode(n)
	if err != nil {
		return err
	}
	return r.store.PutMeta(ctx, m)
}

// keep caches n unless something newer is there, and returns what is cached.
func (r *Registry) keep(n *cluster.Namespace, at time.Time) *cluster.Namespace {
	r.mu.Lock()
	defer r.mu.Unlock()
	old, cached := r.byName[n.Name]
	if cached && old.namespace.ID == n.ID && old.namespace.Version >= n.Version {
		n = old.namespace
	}
	r.byName[n.Name] = entry{namespace: n, readAt: at}
	r.nameOf[n.ID] = n.Name
	return n
}

func (r *Registry) forget(name string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if old, cached := r.byName[name]; cached {
		delete(r.nameOf, old.namespace.ID)
		delete(r.byName, name)
	}
}
