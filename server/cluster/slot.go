package cluster

import (
	"github.com/cespare/xxhash/v2"

	"perdure/server/store"
)

// Leases tells under which lease this node may write to a slot.
type Leases interface {
	// Lease returns false when the slot's shard is not held here.
	Lease(slot int32) (store.Lease, bool)
}

// HashOf is the stable 64-bit hash of a workflow id or task queue name within its namespace.
func HashOf(namespaceID, name string) int64 {
	var d xxhash.Digest
	d.Reset()
	_, _ = d.WriteString(namespaceID)
	_, _ = d.Write([]byte{0}) // a separator that neither text contains
	_, _ = d.WriteString(name)
	return int64(d.Sum64())
}

// SlotOf is the slot of a workflow id or task queue name. It never changes.
func SlotOf(namespaceID, name string) int32 {
	return int32(uint64(HashOf(namespaceID, name)) % store.SlotCount)
}
