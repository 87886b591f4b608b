package match

import commonpb "go.temporal.io/api/common/v1"

// The priorities a task may have; a lower one goes out first.
const (
	HighestPriority int32 = 1
	DefaultPriority int32 = 3
	LowestPriority  int32 = 5
)

// Priority is p within the bounds; zero means the default.
func Priority(p int32) int32 {
	if p == 0 {
		return DefaultPriority
	}
	return min(max(p, HighestPriority), LowestPriority)
}

// FairnessKeyBytesMax keeps fairness keys short enough to count tasks by them in memory.
const FairnessKeyBytesMax = 64

// WrongPriority says what is wrong with a priority that a client gave; empty: nothing.
func WrongPriority(p *commonpb.Priority) string {
	switch {
	case p.GetPriorityKey() < 0:
		return "priority key can't be negative"
	case len(p.GetFairnessKey()) > FairnessKeyBytesMax:
		return "fairness key length exceeds limit"
	case p.GetFairnessWeight() < 0:
		return "must be greater than zero"
	}
	return ""
}

// The bounds of a fairness weight, which clients know.
const (
	lowestWeight  = 0.001
	highestWeight = 1000
)

// Weight is w within the bounds; zero, and what is not a number, means 1.
func Weight(w float32) float64 {
	if w == 0 || w != w {
		return 1
	}
	return min(max(float64(w), lowestWeight), highestWeight)
}

// LaneID names the tasks of a queue that have one priority and one fairness
// key. It is stored: it never changes. Zero is the default priority without a key.
type LaneID int64

const (
	laneBits = 58 // of the key; the priority is above
	ownLane  = int64(1) << (laneBits - 1)
	// sharedLanes is how many lanes of a priority the keys share that come when
	// a queue has more of them than it keeps apart.
	sharedLanes = 1024
)

// LaneOf is the lane of a key. Keys share one only when 57 bits of their hashes
// are equal, which does nothing worse than let them wait for one another.
func LaneOf(priority int32, key string) LaneID {
	if key == "" {
		return lane(priority, 0)
	}
	return lane(priority, ownLane|int64(hash(key)&uint64(ownLane-1)))
}

// SharedLane is the lane that a key shares with many others.
func SharedLane(priority int32, key string) LaneID {
	return lane(priority, 1+int64(hash(key)%sharedLanes))
}

func lane(priority int32, key int64) LaneID {
	return LaneID(int64(priority-DefaultPriority)<<laneBits | key)
}

// Priority is that of the lane's tasks.
func (l LaneID) Priority() int32 { return int32(l>>laneBits) + DefaultPriority }

// Key tells the lane's fairness key apart from others, whatever its priority.
func (l LaneID) Key() LaneID { return l & (1<<laneBits - 1) }

// hash is FNV-1a in 64 bits, which is stable.
func hash(key string) uint64 {
	h := uint64(14695981039346656037)
	for _, b := range []byte(key) {
		h = (h ^ uint64(b)) * 1099511628211
	}
	return h
}
