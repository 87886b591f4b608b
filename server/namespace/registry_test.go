package namespace_test

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	enumspb "go.temporal.io/api/enums/v1"
	namespacepb "go.temporal.io/api/namespace/v1"
	"go.temporal.io/api/serviceerror"
	"google.golang.org/protobuf/types/known/timestamppb"

	"perdure/server/clock"
	"perdure/server/cluster"
	"perdure/server/namespace"
	"perdure/server/store"
	"perdure/visibility/attr"
)

// metaStore keeps metadata records in a map; it has no other methods.
type metaStore struct {
	store.Store
	mu      sync.Mutex
	records map[string]store.Meta
	reads   int
	err     error
}

func (s *metaStore) Meta(_ context.Context, kind, key string) (store.Meta, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.reads++
	if s.err != nil {
		return store.Meta{}, s.err
	}
	m, ok := s.records[kind+"/"+key]
	if !ok {
		return store.Meta{}, store.ErrNotFound
	}
	return m, nil
}

func (s *metaStore) ListMeta(_ context.Context, kind string) ([]store.Meta, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.reads++
	var all []store.Meta
	for _, m := range s.records {
		if m.Kind == kind {
			all = append(all, m)
		}
	}
	return all, s.err
}

func (s *metaStore) PutMeta(_ context.Context, m store.Meta) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.records[m.Kind+"/"+m.Key].Version != m.Version-1 {
		return store.ErrConflict
	}
	if m.Data == nil {
		delete(s.records, m.Kind+"/"+m.Key)
		return nil
	}
	s.records[m.Kind+"/"+m.Key] = m
	return nil
}

type testBundle struct {
	store *metaStore
	clock *clock.Fake
	nodes []*namespace.Registry // two nodes of one cluster
}

func setup(t *testing.T) testBundle {
	t.Helper()
	b := testBundle{store: &metaStore{records: map[string]store.Meta{}}, clock: clock.NewFake(time.Unix(1000, 0))}
	for range 2 {
		b.nodes = append(b.nodes, namespace.NewWithClock(b.store, slog.New(slog.DiscardHandler), b.clock))
	}
	return b
}

func TestRegisterShowsAtOnceEverywhere(t *testing.T) {
	t.Parallel()
	b, ctx := setup(t), context.Background()
	_, err := b.nodes[1].ByName(ctx, "orders")
	var missing *serviceerror.NamespaceNotFound
	require.ErrorAs(t, err, &missing)

	made, err := b.nodes[0].Register(ctx, &cluster.Namespace{Name: "orders", Retention: time.Hour, Data: map[string]string{"k": "v"}})
	require.NoError(t, err)
	require.Equal(t, enumspb.NAMESPACE_STATE_REGISTERED, made.State)
	for _, node := range b.nodes {
		byName, err := node.ByName(ctx, "orders")
		require.NoError(t, err)
		require.Equal(t, made.ID, byName.ID)
		byID, err := node.ByID(ctx, made.ID)
		require.NoError(t, err)
		require.Equal(t, "orders", byID.Name)
		require.Equal(t, time.Hour, byID.Retention)
	}
	_, err = b.nodes[1].Register(ctx, &cluster.Namespace{Name: "orders"})
	var exists *serviceerror.NamespaceAlreadyExists
	require.ErrorAs(t, err, &exists)
	require.Equal(t, `Namespace "orders" already exists`, err.Error())
}

func TestUnknownID(t *testing.T) {
	t.Parallel()
	b := setup(t)
	_, err := b.nodes[0].ByID(context.Background(), "no-such-id")
	var missing *serviceerror.NamespaceNotFound
	require.ErrorAs(t, err, &missing)
	require.Equal(t, "no-such-id", missing.Namespace)
}

func TestOtherNodeSeesAChangeAfterTheRefreshTime(t *testing.T) {
	t.Parallel()
	b, ctx := setup(t), context.Background()
	_, err := b.nodes[0].Ensure(ctx, "orders", time.Hour)
	require.NoError(t, err)
	_, err = b.nodes[1].ByName(ctx, "orders")
	require.NoError(t, err)

	require.NoError(t, b.nodes[0].AddSearchAttributes(ctx, "orders", attr.Types{"City": enumspb.INDEXED_VALUE_TYPE_KEYWORD}))
	here, err := b.nodes[0].ByName(ctx, "orders")
	require.NoError(t, err)
	require.Contains(t, here.SearchAttributes, "City")
	there, err := b.nodes[1].ByName(ctx, "orders")
	require.NoError(t, err)
	require.NotContains(t, there.SearchAttributes, "City")

	b.clock.Advance(namespace.RefreshAfter)
	there, err = b.nodes[1].ByName(ctx, "orders")
	require.NoError(t, err)
	require.Contains(t, there.SearchAttributes, "City")
}

func TestCacheSparesTheStore(t *testing.T) {
	t.Parallel()
	b, ctx := setup(t), context.Background()
	_, err := b.nodes[0].Ensure(ctx, "orders", time.Hour)
	require.NoError(t, err)
	before := b.store.reads
	for range 100 {
		_, err := b.nodes[0].ByName(ctx, "orders")
		require.NoError(t, err)
	}
	require.Equal(t, before, b.store.reads)
}

func TestLastKnownStateWhenTheStoreIsAway(t *testing.T) {
	t.Parallel()
	b, ctx := setup(t), context.Background()
	_, err := b.nodes[0].Ensure(ctx, "orders", time.Hour)
	require.NoError(t, err)
	b.clock.Advance(time.Minute)
	b.store.err = errors.New("connection refused")
	_, err = b.nodes[0].ByName(ctx, "orders")
	require.NoError(t, err)
	_, err = b.nodes[0].ByName(ctx, "others")
	var unavailable *serviceerror.Unavailable
	require.ErrorAs(t, err, &unavailable)
}

func TestChangesOfTwoNodesBothStay(t *testing.T) {
	t.Parallel()
	b, ctx := setup(t), context.Background()
	_, err := b.nodes[0].Ensure(ctx, "orders", time.Hour)
	require.NoError(t, err)
	var wait sync.WaitGroup
	for i, name := range []string{"A", "B"} {
		wait.Go(func() {
			require.NoError(t, b.nodes[i].AddSearchAttributes(ctx, "orders", attr.Types{name: enumspb.INDEXED_VALUE_TYPE_INT}))
		})
	}
	wait.Wait()
	b.clock.Advance(namespace.RefreshAfter)
	n, err := b.nodes[0].ByName(ctx, "orders")
	require.NoError(t, err)
	require.Len(t, n.SearchAttributes, 2)
	require.NoError(t, b.nodes[0].RemoveSearchAttributes(ctx, "orders", []string{"A", "unknown"}))
	n, err = b.nodes[0].ByName(ctx, "orders")
	require.NoError(t, err)
	require.Equal(t, attr.Types{"B": enumspb.INDEXED_VALUE_TYPE_INT}, n.SearchAttributes)
}

func TestRefusedChangeWritesNothing(t *testing.T) {
	t.Parallel()
	b, ctx := setup(t), context.Background()
	before, err := b.nodes[0].Ensure(ctx, "orders", time.Hour)
	require.NoError(t, err)
	err = b.nodes[0].AddSearchAttributes(ctx, "orders", attr.Types{"TemporalX": enumspb.INDEXED_VALUE_TYPE_INT})
	var invalid *serviceerror.InvalidArgument
	require.ErrorAs(t, err, &invalid)
	after, err := b.nodes[0].ByName(ctx, "orders")
	require.NoError(t, err)
	require.Equal(t, before.Version, after.Version)
}

func TestRecordKeepsEverything(t *testing.T) {
	t.Parallel()
	b, ctx := setup(t), context.Background()
	_, err := b.nodes[0].Register(ctx, &cluster.Namespace{
		Name: "orders", Description: "d", OwnerEmail: "o@example.com", Retention: 72 * time.Hour,
		Data:        map[string]string{"k": "v"},
		BadBinaries: map[string]*namespacepb.BadBinaryInfo{"c": {Reason: "r", Operator: "o", CreateTime: timestamppb.New(time.Unix(5, 0))}},
	})
	require.NoError(t, err)
	require.NoError(t, b.nodes[0].Deprecate(ctx, "orders"))
	n, err := b.nodes[1].ByName(ctx, "orders") // decoded from the store
	require.NoError(t, err)
	require.Equal(t, enumspb.NAMESPACE_STATE_DEPRECATED, n.State)
	require.Equal(t, "d", n.Description)
	require.Equal(t, "o@example.com", n.OwnerEmail)
	require.Equal(t, 72*time.Hour, n.Retention)
	require.Equal(t, "v", n.Data["k"])
	require.Equal(t, "r", n.BadBinaries["c"].GetReason())
	require.Equal(t, int64(5), n.BadBinaries["c"].GetCreateTime().GetSeconds())
	require.True(t, time.Unix(1000, 0).Equal(n.CreatedAt))
	all, err := b.nodes[1].List(ctx)
	require.NoError(t, err)
	require.Len(t, all, 1)
}
