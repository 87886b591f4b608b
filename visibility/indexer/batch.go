package indexer

import "time"

// A full batch that takes less than quick lets the next be larger; one that takes more than slow, smaller.
const (
	quickBatch = 250 * time.Millisecond
	slowBatch  = 500 * time.Millisecond

	firstBatch = 256
	leastBatch = 16
)

// batchSize is how many records the next batch has at most.
type batchSize struct{ now, max int }

func newBatchSize(most int) batchSize { return batchSize{now: min(firstBatch, most), max: most} }

// learn takes in how long a batch took. Only full ones tell that more would be welcome.
func (b *batchSize) learn(records int, took time.Duration) {
	switch {
	case took > slowBatch && records > b.now/2:
		b.now = max(min(leastBatch, b.max), b.now*3/4)
	case took < quickBatch && records >= b.now:
		b.now = min(b.max, b.now*2)
	}
}
