package history

import (
	"sync"
	"time"
)

// trouble remembers since when commits fail.
type trouble struct {
	mu          sync.Mutex
	err         error // of the last commit; nil when it went well
	since, last time.Time
}

// note takes what came of a commit.
func (t *trouble) note(err error, now time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if err != nil && t.err == nil {
		t.since = now
	}
	t.err = err
	t.last = now
}

// look returns since when no commit went well, when the last was made, and its error; nil: it went well.
func (t *trouble) look() (since, last time.Time, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.since, t.last, t.err
}
