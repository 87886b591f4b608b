package sqlform

import (
	"sync"
	"time"

	"perdure/visibility"
	"perdure/visibility/query"
)

// WishesTable holds which indexes queries would have used.
const WishesTable = "visibility_index_wishes"

// addWish adds what a process has seen to what the database knows; the arguments are those of wish.values.
const addWish = "INSERT INTO " + WishesTable + " (attribute, type, use, queries, nanoseconds) VALUES ($1, $2, $3, $4, $5)" +
	" ON CONFLICT (attribute, type, use) DO UPDATE SET queries = " + WishesTable + ".queries + excluded.queries, nanoseconds = " + WishesTable + ".nanoseconds + excluded.nanoseconds"

// listWishes finds the advice for indexes that are not there, the most expensive first. Queries that are quick anyway need none.
const listWishes = "SELECT w.attribute, w.type, w.use, w.queries, w.nanoseconds FROM " + WishesTable + " w LEFT JOIN " + IndexesTable +
	" i ON i.attribute = w.attribute AND i.type = w.type AND i.use = w.use WHERE i.name IS NULL AND w.nanoseconds > 20000000 * w.queries ORDER BY w.nanoseconds DESC LIMIT 50"

const (
	wishesMax   = 1000 // attributes that are remembered between two visits to the database
	wishesEvery = time.Minute
)

// wishes adds up which indexes queries would have used.
type wishes struct {
	mu     sync.Mutex
	wishes map[visibility.AttributeIndex]wish
	stored time.Time
}

// wish is an index with the queries that would have used it.
type wish struct {
	visibility.AttributeIndex
	Queries     int64
	Nanoseconds int64
}

// values are the arguments of addWish.
func (w wish) values() []any {
	return []any{w.Attribute, int64(w.Type), string(w.Use), w.Queries, w.Nanoseconds}
}

// note counts a query that took so long and ended at now. It tells whether it is time to take.
func (w *wishes) note(q *query.Query, took time.Duration, now time.Time) bool {
	wanted := Wanted(q)
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.wishes == nil {
		w.wishes, w.stored = map[visibility.AttributeIndex]wish{}, now
	}
	for _, index := range wanted {
		old, known := w.wishes[index]
		if !known && len(w.wishes) >= wishesMax {
			continue
		}
		w.wishes[index] = wish{index, old.Queries + 1, old.Nanoseconds + int64(took)}
	}
	return len(w.wishes) > 0 && now.Sub(w.stored) >= wishesEvery
}

// take returns what was counted since the last time.
func (w *wishes) take(now time.Time) []wish {
	w.mu.Lock()
	defer w.mu.Unlock()
	taken := make([]wish, 0, len(w.wishes))
	for _, one := range w.wishes {
		taken = append(taken, one)
	}
	clear(w.wishes)
	w.stored = now
	return taken
}
