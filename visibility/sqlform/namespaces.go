package sqlform

import (
	"context"
	"fmt"
	"sync"

	"perdure/visibility"
)

// Namespaces remembers the numbers of namespaces, which never change.
type Namespaces struct {
	mu      sync.RWMutex
	numbers map[string]int64
}

// Statements that give a name its number and look one up.
const (
	AddNamespace  = "INSERT INTO " + NamespacesTable + " (namespace_id) VALUES ($1) ON CONFLICT DO NOTHING"
	FindNamespace = "SELECT number FROM " + NamespacesTable + " WHERE namespace_id = $1"
)

// Known returns the number of a namespace if it is remembered.
func (n *Namespaces) Known(namespaceID string) (int64, bool) {
	n.mu.RLock()
	defer n.mu.RUnlock()
	number, ok := n.numbers[namespaceID]
	return number, ok
}

// Remember keeps a number that a committed row has.
func (n *Namespaces) Remember(namespaceID string, number int64) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.numbers == nil {
		n.numbers = map[string]int64{}
	}
	n.numbers[namespaceID] = number
}

// Ensure remembers the number of each record's namespace. What it does not know comes from add, which also makes numbers.
func (n *Namespaces) Ensure(ctx context.Context, records []*visibility.Record, add func(ctx context.Context, namespaceID string) (int64, error)) error {
	for _, rec := range records {
		if _, ok := n.Known(rec.NamespaceID); ok {
			continue
		}
		number, err := add(ctx, rec.NamespaceID)
		if err != nil {
			return fmt.Errorf("number a namespace: %w", err)
		}
		n.Remember(rec.NamespaceID, number)
	}
	return nil
}

// Of returns the number of a namespace that Ensure has seen.
func (n *Namespaces) Of(namespaceID string) int64 {
	number, _ := n.Known(namespaceID)
	return number
}
