package sqlite

import (
	"context"
	"database/sql"
	"fmt"

	"perdure/visibility"
	"perdure/visibility/sqlform"
)

var _ visibility.Inventory = (*Store)(nil)

// Namespaces implements visibility.Inventory.
func (s *Store) Namespaces(ctx context.Context) ([]string, error) {
	var ids []string
	err := s.rows(ctx, sqlform.InventoryNamespaces, nil, func(row *sql.Rows) error {
		var id string
		err := row.Scan(&id)
		ids = append(ids, sqlform.Original(id))
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list namespaces of visibility: %w", err)
	}
	return ids, nil
}

// Digests implements visibility.Inventory.
func (s *Store) Digests(ctx context.Context, namespaceID string) ([]visibility.Digest, error) {
	number, known, err := s.numberOf(ctx, namespaceID)
	if err != nil || !known {
		return nil, err
	}
	sums := visibility.NewDigests()
	err = s.rows(ctx, sqlform.InventoryRuns, []any{number}, func(row *sql.Rows) error {
		var start, version int64
		var runID string
		if err := row.Scan(&start, &runID, &version); err != nil {
			return err
		}
		sums.Add(visibility.BucketOfNanos(start), sqlform.Original(runID), version)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("sum up visibility: %w", err)
	}
	return sums.Sorted(), nil
}

// Keys implements visibility.Inventory.
func (s *Store) Keys(ctx context.Context, namespaceID string, bucket int64, after string, limit int) ([]visibility.Key, error) {
	number, known, err := s.numberOf(ctx, namespaceID)
	if err != nil || !known {
		return nil, err
	}
	var keys []visibility.Key
	err = s.rows(ctx, sqlform.InventoryKeys, sqlform.InventoryArgs(number, bucket, visibility.BucketNanos, after, limit), func(row *sql.Rows) error {
		var key visibility.Key
		err := row.Scan(&key.RunID, &key.WorkflowID, &key.Version)
		key.RunID, key.WorkflowID = sqlform.Original(key.RunID), sqlform.Original(key.WorkflowID)
		keys = append(keys, key)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list runs of visibility: %w", err)
	}
	return keys, nil
}
