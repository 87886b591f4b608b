package sqlform

import (
	"context"
	"fmt"

	"perdure/visibility"
)

// Statements of an inventory. Deleted runs are not in it.
const (
	// inventoryNamespaces lists the ids of namespaces that have runs.
	inventoryNamespaces = "SELECT namespace_id FROM " + NamespacesTable + " n WHERE EXISTS (SELECT 1 FROM " + Table +
		" e WHERE e.namespace = n.number AND NOT e.deleted) ORDER BY namespace_id"
	// inventoryRuns gives start, run id and version of the runs of a namespace's number, to be summed up.
	inventoryRuns = "SELECT start_ns, run_id, version FROM " + Table + " WHERE namespace = $1 AND NOT deleted"
	// inventoryKeys pages through a namespace's runs that started in [$2, $3), behind a run id.
	inventoryKeys = "SELECT run_id, workflow_id, version FROM " + Table +
		" WHERE namespace = $1 AND NOT deleted AND start_ns >= $2 AND start_ns < $3 AND run_id > $4 ORDER BY run_id LIMIT $5"
)

// Namespaces implements visibility.Inventory.
func (r *Reader) Namespaces(ctx context.Context) ([]string, error) {
	var ids []string
	err := r.Database.Rows(ctx, inventoryNamespaces, nil, func(row Scanner) error {
		var id string
		err := row.Scan(&id)
		ids = append(ids, Original(id))
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list namespaces of visibility: %w", err)
	}
	return ids, nil
}

// Digests implements visibility.Inventory.
func (r *Reader) Digests(ctx context.Context, namespaceID string) ([]visibility.Digest, error) {
	number, known, err := r.NumberOf(ctx, namespaceID)
	if err != nil || !known {
		return nil, err
	}
	sums := visibility.NewDigests()
	err = r.Database.Rows(ctx, inventoryRuns, []any{number}, func(row Scanner) error {
		var start, version int64
		var runID string
		if err := row.Scan(&start, &runID, &version); err != nil {
			return err
		}
		sums.Add(visibility.BucketOfNanos(start), Original(runID), version)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("sum up visibility: %w", err)
	}
	return sums.Sorted(), nil
}

// Keys implements visibility.Inventory.
func (r *Reader) Keys(ctx context.Context, namespaceID string, bucket int64, after string, limit int) ([]visibility.Key, error) {
	number, known, err := r.NumberOf(ctx, namespaceID)
	if err != nil || !known {
		return nil, err
	}
	end := bucket + visibility.BucketNanos
	if end < bucket {
		end = 1<<63 - 1
	}
	var keys []visibility.Key
	err = r.Database.Rows(ctx, inventoryKeys, []any{number, bucket, end, Text(after), int64(limit)}, func(row Scanner) error {
		var key visibility.Key
		err := row.Scan(&key.RunID, &key.WorkflowID, &key.Version)
		key.RunID, key.WorkflowID = Original(key.RunID), Original(key.WorkflowID)
		keys = append(keys, key)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list runs of visibility: %w", err)
	}
	return keys, nil
}
