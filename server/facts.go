package server

import (
	"context"
	"errors"
	"fmt"
	"time"

	enumspb "go.temporal.io/api/enums/v1"

	"github.com/google/uuid"

	"perdure/server/config"
	"perdure/server/frontend"
	"perdure/server/namespace"
	"perdure/server/store"
	"perdure/visibility/attr"
)

// retentionDefault is the retention of namespaces that the configuration names.
const retentionDefault = 72 * time.Hour

// prepareNamespaces registers what the protocol and the configuration want to be there.
func prepareNamespaces(ctx context.Context, registry *namespace.Registry, c config.Config) error {
	if _, err := registry.Ensure(ctx, namespace.SystemName, retentionDefault); err != nil {
		return fmt.Errorf("register namespace %s: %w", namespace.SystemName, err)
	}
	attributes := attributeTypes(c.SearchAttributes)
	for _, name := range c.Namespaces {
		if _, err := registry.Ensure(ctx, name, retentionDefault); err != nil {
			return fmt.Errorf("register namespace %s: %w", name, err)
		}
		if len(attributes) == 0 {
			continue
		}
		if err := registry.AddSearchAttributes(ctx, name, attributes); err != nil {
			return fmt.Errorf("search attributes of namespace %s: %w", name, err)
		}
	}
	return nil
}

// attributeTypes turns validated names of types into the protocol's.
func attributeTypes(names map[string]string) attr.Types {
	types := attr.Types{}
	for name, kind := range names {
		types[name], _ = enumspb.IndexedValueTypeFromString(kind) // config has checked it
	}
	return types
}

// Where the identity of a cluster is kept in the store.
const (
	clusterKind = "cluster"
	clusterKey  = "id"
)

func clusterInfo(ctx context.Context, s store.Store, name string) (frontend.ClusterInfo, error) {
	shards, err := s.Shards(ctx)
	if err != nil {
		return frontend.ClusterInfo{}, fmt.Errorf("read shards: %w", err)
	}
	id, err := clusterID(ctx, s)
	if err != nil {
		return frontend.ClusterInfo{}, fmt.Errorf("read the cluster's id: %w", err)
	}
	return frontend.ClusterInfo{ClusterID: id, ShardCount: int32(len(shards)), PersistenceStore: name}, nil
}

// clusterID is made once, by whoever comes first.
func clusterID(ctx context.Context, s store.Store) (string, error) {
	m, err := s.Meta(ctx, clusterKind, clusterKey)
	if !errors.Is(err, store.ErrNotFound) {
		return string(m.Data), err
	}
	made := store.Meta{Kind: clusterKind, Key: clusterKey, Version: 1, Data: []byte(uuid.NewString())}
	err = s.PutMeta(ctx, made)
	if errors.Is(err, store.ErrConflict) { // another node was faster
		m, err = s.Meta(ctx, clusterKind, clusterKey)
		return string(m.Data), err
	}
	return string(made.Data), err
}
