package namespace

import (
	"context"
	"errors"
	"fmt"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"

	"perdure/server/apierr"
	"perdure/server/cluster"
	"perdure/server/store"
)

// Delete marks a namespace as deleted and gives it another name, so that its
// own is free at once. Its record may be removed when delay is over and its
// runs are gone. Deleting it again returns it as it is.
func (r *Registry) Delete(ctx context.Context, n *cluster.Namespace, delay time.Duration) (*cluster.Namespace, error) {
	if n.Name == SystemName {
		return nil, serviceerror.NewFailedPrecondition("unable to delete system namespace")
	}
	if n.State == enumspb.NAMESPACE_STATE_DELETED && !n.RemoveAfter.IsZero() {
		return n, nil
	}
	deleted, err := r.writeDeleted(ctx, n, delay)
	if err != nil {
		return nil, err
	}
	if err := r.Remove(ctx, n); err != nil {
		return nil, err
	}
	return r.keep(deleted, r.clock.Now()), nil
}

// writeDeleted writes the record under its new name before the old one goes: a
// crash in between leaves both, and the next call goes on from there.
func (r *Registry) writeDeleted(ctx context.Context, n *cluster.Namespace, delay time.Duration) (*cluster.Namespace, error) {
	deleted := clone(n)
	deleted.State, deleted.Version = enumspb.NAMESPACE_STATE_DELETED, 1
	deleted.RemoveAfter = r.clock.Now().Add(max(delay, removeAfterMin)).UTC()
	for length := idPrefixMin; length <= len(n.ID); length++ {
		deleted.Name = fmt.Sprintf("%s-deleted-%s", n.Name, n.ID[:length])
		err := r.write(ctx, deleted)
		switch {
		case err == nil:
			return deleted, nil
		case !errors.Is(err, store.ErrConflict):
			return nil, apierr.Unavailable("namespace %s could not be written: %v", n.Name, err)
		}
		taken, err := r.readAlone(ctx, deleted.Name)
		if err == nil && taken.ID == n.ID {
			return taken, nil
		}
	}
	return nil, apierr.Unavailable("namespace %s could not be given another name", n.Name)
}

// removeAfterMin outlasts calls that found the namespace before it was deleted,
// here or on a node that still believes its cache: runs that they start are
// found before the record goes.
const removeAfterMin = RefreshAfter + 3*time.Second

// idPrefixMin is how much of its id the name of a deleted namespace carries at least.
const idPrefixMin = 5

// Remove takes the record of a namespace away. None there is no error.
func (r *Registry) Remove(ctx context.Context, n *cluster.Namespace) error {
	err := r.store.PutMeta(ctx, store.Meta{Kind: metaKind, Key: n.Name, Version: n.Version + 1})
	switch {
	case errors.Is(err, store.ErrConflict):
		if _, err := r.readAlone(ctx, n.Name); errors.Is(err, store.ErrNotFound) {
			return nil
		}
		return apierr.Unavailable("namespace %s is being changed by others, please retry", n.Name)
	case err != nil:
		return apierr.Unavailable("namespace %s could not be removed: %v", n.Name, err)
	}
	r.forget(n.Name)
	return nil
}
