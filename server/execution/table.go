package execution

import (
	"cmp"
	"maps"
	"slices"
)

// table is a map whose copies share entries until one of them is written.
// Entries are pointers to values that are never changed in place: edit replaces
// the entry by a copy.
type table[K cmp.Ordered, V any] struct {
	entries map[K]*V
	owned   bool // entries belongs to this copy alone
}

// fork returns a copy that shares the entries.
func (t table[K, V]) fork() table[K, V] { return table[K, V]{entries: t.entries} }

func (t *table[K, V]) get(key K) *V { return t.entries[key] }

// Get returns the entry, which must not be changed; nil when there is none.
func (t *table[K, V]) Get(key K) *V { return t.entries[key] }

func (t *table[K, V]) len() int { return len(t.entries) }

func (t *table[K, V]) own() {
	if t.owned {
		return
	}
	if t.entries == nil {
		t.entries = make(map[K]*V)
	} else {
		t.entries = maps.Clone(t.entries)
	}
	t.owned = true
}

func (t *table[K, V]) put(key K, value *V) {
	t.own()
	t.entries[key] = value
}

func (t *table[K, V]) drop(key K) {
	if t.entries[key] == nil {
		return
	}
	t.own()
	delete(t.entries, key)
}

func (t *table[K, V]) clear() { *t = table[K, V]{owned: false} }

// edit returns a copy of the entry that may be changed, already in the table; nil when there is none.
func (t *table[K, V]) edit(key K) *V {
	old := t.entries[key]
	if old == nil {
		return nil
	}
	copied := *old
	t.put(key, &copied)
	return &copied
}

// keys returns the keys in order: nothing here may depend on the order of a map.
func (t *table[K, V]) keys() []K {
	if len(t.entries) == 0 {
		return nil
	}
	return slices.Sorted(maps.Keys(t.entries))
}

// values returns the entries in order of their keys.
func (t *table[K, V]) values() []*V {
	keys := t.keys()
	values := make([]*V, len(keys))
	for i, key := range keys {
		values[i] = t.entries[key]
	}
	return values
}
