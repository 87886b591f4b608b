package namespace_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"

	"perdure/server/cluster"
	"perdure/server/namespace"
	"perdure/server/store"
)

func TestDeleteFreesTheName(t *testing.T) {
	t.Parallel()
	b, ctx := setup(t), context.Background()
	first, err := b.nodes[0].Register(ctx, &cluster.Namespace{Name: "orders", Retention: time.Hour})
	require.NoError(t, err)
	deleted, err := b.nodes[0].Delete(ctx, first, time.Minute)
	require.NoError(t, err)
	require.Equal(t, "orders-deleted-"+first.ID[:5], deleted.Name)
	require.Equal(t, enumspb.NAMESPACE_STATE_DELETED, deleted.State)
	require.Equal(t, b.clock.Now().Add(time.Minute), deleted.RemoveAfter.Local())
	_, err = b.nodes[0].ByName(ctx, "orders")
	var missing *serviceerror.NamespaceNotFound
	require.ErrorAs(t, err, &missing)
	byID, err := b.nodes[0].ByID(ctx, first.ID)
	require.NoError(t, err)
	require.Equal(t, deleted.Name, byID.Name)

	second, err := b.nodes[0].Register(ctx, &cluster.Namespace{Name: "orders", Retention: time.Hour})
	require.NoError(t, err)
	require.NotEqual(t, first.ID, second.ID)
	again, err := b.nodes[0].Delete(ctx, byID, time.Hour)
	require.NoError(t, err)
	require.Equal(t, deleted, again, "a second time changes nothing")

	require.NoError(t, b.nodes[0].Remove(ctx, deleted))
	require.NoError(t, b.nodes[0].Remove(ctx, deleted), "gone already")
	_, err = b.nodes[0].ByID(ctx, first.ID)
	require.ErrorAs(t, err, &missing)
	_, err = b.nodes[0].ByName(ctx, "orders")
	require.NoError(t, err)
}

// A crash between the two writes leaves both records; the next call goes on.
func TestDeleteGoesOnAfterACrash(t *testing.T) {
	t.Parallel()
	b, ctx := setup(t), context.Background()
	n, err := b.nodes[0].Register(ctx, &cluster.Namespace{Name: "orders", Retention: time.Hour})
	require.NoError(t, err)
	before := b.store.records["namespace/orders"]
	deleted, err := b.nodes[0].Delete(ctx, n, 0)
	require.NoError(t, err)
	b.store.records["namespace/orders"] = before
	n, err = b.nodes[0].ByName(ctx, "orders")
	require.NoError(t, err)
	again, err := b.nodes[0].Delete(ctx, n, 0)
	require.NoError(t, err)
	require.Equal(t, deleted.Name, again.Name)
	require.Greater(t, deleted.RemoveAfter.Sub(b.clock.Now()), namespace.RefreshAfter, "other nodes may still believe that it is there")
	_, err = b.nodes[0].ByName(ctx, "orders")
	require.Error(t, err)
}

// A name that another namespace has taken is not touched: more of the id makes it another one.
func TestDeleteAvoidsTakenNames(t *testing.T) {
	t.Parallel()
	b, ctx := setup(t), context.Background()
	n, err := b.nodes[0].Register(ctx, &cluster.Namespace{Name: "orders", Retention: time.Hour})
	require.NoError(t, err)
	other, err := b.nodes[0].Register(ctx, &cluster.Namespace{Name: "orders-deleted-" + n.ID[:5], Retention: time.Hour})
	require.NoError(t, err)
	deleted, err := b.nodes[0].Delete(ctx, n, 0)
	require.NoError(t, err)
	require.Equal(t, "orders-deleted-"+n.ID[:6], deleted.Name)
	found, err := b.nodes[0].ByName(ctx, other.Name)
	require.NoError(t, err)
	require.Equal(t, other.ID, found.ID)
}

func TestSystemNamespaceStays(t *testing.T) {
	t.Parallel()
	b, ctx := setup(t), context.Background()
	n, err := b.nodes[0].Ensure(ctx, namespace.SystemName, time.Hour)
	require.NoError(t, err)
	_, err = b.nodes[0].Delete(ctx, n, 0)
	var refused *serviceerror.FailedPrecondition
	require.ErrorAs(t, err, &refused)
	require.Equal(t, store.Meta{}.Version+1, b.store.records["namespace/"+namespace.SystemName].Version)
}
