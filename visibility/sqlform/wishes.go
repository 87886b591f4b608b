package sqlform

import (
	"sync"
	"time"

	"perdure/visibility"
	"perdure/visibility/query"
)

// WishesTable holds which indexes queries would have used.
const WishesTable = "visibility_index_wishes"

// AddWish adds what a process has seen to what the database knows; the arguments are those of Wish.Values.
const AddWish = "INSERT INTO " + WishesTable + " (attribute, type, use, queries, nanoseconds) VALUES ($1, $2, $3, $4, $5)" +
	" ON CONFLICT (attribute, type, use) DO UPDATE SET queries = " + WishesTable + ".queries + excluded.queries, nanoseconds = " + WishesTable + ".nanoseconds + excluded.nanoseconds"

// ListWishes finds the advice for indexes that are not there, the most expensive first. Queries that are quick anyway need none.
const ListWishes = "SELECT w.attribute, w.type, w.use, w.queries, w.nanoseconds FROM " + WishesTable + " w LEFT JOIN " + IndexesTable +
	" i ON i.attribute = w.attribute AND i.type = w.type AND i.use = w.use WHERE i.name IS NULL AND w.nanoseconds > 20000000 * w.queries ORDER BY w.nanoseconds DESC LIMIT 50"

const (
	wishesMax   = 1000 // attributes that are remembered between two visits to the database
	wishesEvery = time.Minute
)

// Wishes adds up which indexes queries would have used.
type Wishes struct {
	mu     sync.Mutex
	wishes map[visibility.AttributeIndex]Wish
	stored time.Time
}

// Wish is an index with the queries that would have used it.
type Wish struct {
	visibility.AttributeIndex
	Queries     int64
	Nanoseconds int64
}

// Values are the arguments of AddWish.
func (w Wish) Values() []any {
	return []any{w.Attribute, int64(w.Type), string(w.Use), w.Queries, w.Nanoseconds}
}

// Note counts a query that took so long and ended at now. It tells whether it is time to Take.
func (w *Wishes) Note(q *query.Query, took time.Duration, now time.Time) bool {
	wanted := Wanted(q)
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.wishes == nil {
		w.wishes, w.stored = map[visibility.AttributeIndex]Wish{}, now
	}
	for _, index := range wanted {
		wish, known := w.wishes[index]
		if !known && len(w.wishes) >= wishesMax {
			continue
		}
		w.wishes[index] = Wish{index, wish.Queries + 1, wish.Nanoseconds + int64(took)}
	}
	return len(w.wishes) > 0 && now.Sub(w.stored) >= wishesEvery
}

// Take returns what was counted since the last time.
func (w *Wishes) Take(now time.Time) []Wish {
	w.mu.Lock()
	defer w.mu.Unlock()
	taken := make([]Wish, 0, len(w.wishes))
	for _, wish := range w.wishes {
		taken = append(taken, wish)
	}
	clear(w.wishes)
	w.stored = now
	return taken
}
