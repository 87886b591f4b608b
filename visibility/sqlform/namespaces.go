package sqlform

import (
	"context"
	"fmt"
	"sync"

	"perdure/visibility"
)

// namespaces remembers the numbers of namespaces, which never change.
type namespaces struct {
	mu      sync.RWMutex
	numbers map[string]int64
}

// addNamespace gives a name its number, which it may have already.
const addNamespace = "INSERT INTO " + NamespacesTable + " (namespace_id) VALUES ($1) ON CONFLICT DO NOTHING"

// FindNamespace looks the number of a name up.
const FindNamespace = "SELECT number FROM " + NamespacesTable + " WHERE namespace_id = $1"

func (n *namespaces) known(namespaceID string) (int64, bool) {
	n.mu.RLock()
	defer n.mu.RUnlock()
	number, ok := n.numbers[namespaceID]
	return number, ok
}

// remember keeps a number that a committed row has.
func (n *namespaces) remember(namespaceID string, number int64) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.numbers == nil {
		n.numbers = map[string]int64{}
	}
	n.numbers[namespaceID] = number
}

// NumberOf finds the number of a namespace; one without records may have none.
func (r *Reader) NumberOf(ctx context.Context, namespaceID string) (number int64, found bool, err error) {
	if number, found = r.numbers.known(namespaceID); found {
		return number, true, nil
	}
	err = r.Database.Rows(ctx, FindNamespace, []any{Text(namespaceID)}, func(row Scanner) error {
		found = true
		return row.Scan(&number)
	})
	if err != nil {
		return 0, false, fmt.Errorf("number of a namespace: %w", err)
	}
	if found {
		r.numbers.remember(namespaceID, number)
	}
	return number, found, nil
}

// Number gives the namespace of each record a number.
func (r *Reader) Number(ctx context.Context, records []*visibility.Record) error {
	for _, rec := range records {
		if _, ok := r.numbers.known(rec.NamespaceID); ok {
			continue
		}
		if err := r.Database.Exec(ctx, addNamespace, Text(rec.NamespaceID)); err != nil {
			return fmt.Errorf("number a namespace: %w", err)
		}
		if _, _, err := r.NumberOf(ctx, rec.NamespaceID); err != nil {
			return err
		}
	}
	return nil
}

// Known returns the number of a namespace that Number has seen.
func (r *Reader) Known(namespaceID string) int64 {
	number, _ := r.numbers.known(namespaceID)
	return number
}
