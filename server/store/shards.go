package store

import "fmt"

// ShardsDefault is the number of shards of a new store when its operator names
// none: enough that a few nodes share the work, few enough that a group commit
// of one node stays one log row for most of its transitions.
const ShardsDefault = 4

// NewShards divides the slots evenly into count shards with ids from 1, so that
// no lease is the zero Lease. Count is 1 to SlotCount.
func NewShards(count int) ([]Shard, error) {
	if count < 1 || count > SlotCount {
		return nil, fmt.Errorf("a store has 1 to %d shards, not %d", SlotCount, count)
	}
	shards := make([]Shard, count)
	for i := range shards {
		shards[i] = Shard{
			ID:        int32(i + 1),
			FirstSlot: int32(i * SlotCount / count),
			LastSlot:  int32((i+1)*SlotCount/count - 1),
		}
	}
	return shards, nil
}
