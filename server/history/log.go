package history

import (
	"fmt"
	"time"

	"google.golang.org/protobuf/encoding/protowire"

	"perdure/server/store"
	"perdure/visibility"
)

// logTask is what one run's change asks of the readers of the shard's log.
type logTask struct {
	key        store.ExecutionKey
	wakeAt     time.Time // zero: no wake-up; the Unix epoch: at once
	visibility bool
	gone       *visibility.Record // not nil: nothing but a run's removal from search
}

// atOnce marks runs that need attention right after a restart.
var atOnce = time.Unix(0, 0).UTC()

func taskOf(ch *change) logTask {
	return logTask{key: ch.entry.key, wakeAt: wakeOf(ch), visibility: ch.visibility}
}

func wakeOf(ch *change) time.Time {
	if ch.work.Pending() {
		return atOnce
	}
	return ch.work.WakeAt
}

// The log's format 2: the time of the row in microseconds, then a run of
// records, each slot, exec, flags, and the wake-up in microseconds when the
// flags say that there is one. A removal has no slot and exec, but namespace id,
// workflow id, run id and version behind its flags. Format 1 has no time and no removals.
const (
	flagVisibility = 1 << iota
	flagWake
	flagGone
)

func encodeLog(tasks []logTask, at time.Time) []byte {
	b := protowire.AppendVarint([]byte{2}, uint64(at.UnixMicro()))
	for _, t := range tasks {
		b = protowire.AppendVarint(b, uint64(t.key.Slot))
		b = protowire.AppendVarint(b, uint64(t.key.Exec))
		b = protowire.AppendVarint(b, t.flags())
		switch {
		case t.gone != nil:
			for _, text := range []string{t.gone.NamespaceID, t.gone.WorkflowID, t.gone.RunID} {
				b = protowire.AppendString(b, text)
			}
			b = protowire.AppendVarint(b, uint64(t.gone.Version))
		case !t.wakeAt.IsZero():
			b = protowire.AppendVarint(b, uint64(t.wakeAt.UnixMicro()))
		}
	}
	return b
}

func (t logTask) flags() (flags uint64) {
	if t.visibility {
		flags |= flagVisibility
	}
	switch {
	case t.gone != nil:
		flags |= flagGone
	case !t.wakeAt.IsZero():
		flags |= flagWake
	}
	return flags
}

func decodeLog(b []byte) (tasks []logTask, at time.Time, err error) {
	if len(b) == 0 || b[0] != 1 && b[0] != 2 {
		return nil, at, fmt.Errorf("%w: log row of an unknown format", store.ErrDamaged)
	}
	r := varints{b: b[1:]}
	if b[0] == 2 {
		at = time.UnixMicro(int64(r.next())).UTC()
	}
	for len(r.b) > 0 && !r.bad {
		tasks = append(tasks, r.task())
	}
	if r.bad {
		return nil, at, fmt.Errorf("%w: log row is cut short", store.ErrDamaged)
	}
	return tasks, at, nil
}

func (r *varints) task() logTask {
	t := logTask{key: store.ExecutionKey{Slot: int32(r.next()), Exec: int64(r.next())}}
	flags := r.next()
	t.visibility = flags&flagVisibility != 0
	switch {
	case flags&flagGone != 0:
		t.gone = &visibility.Record{NamespaceID: r.text(), WorkflowID: r.text(), RunID: r.text(), Version: int64(r.next()), Deleted: true}
	case flags&flagWake != 0:
		t.wakeAt = time.UnixMicro(int64(r.next())).UTC()
	}
	return t
}

// varints reads numbers one behind the other.
type varints struct {
	b   []byte
	bad bool
}

func (r *varints) next() uint64 {
	v, n := protowire.ConsumeVarint(r.b)
	if n < 0 {
		r.bad, r.b = true, nil
		return 0
	}
	r.b = r.b[n:]
	return v
}

// text reads a string behind its length.
func (r *varints) text() string {
	v, n := protowire.ConsumeString(r.b)
	if n < 0 {
		r.bad, r.b = true, nil
		return ""
	}
	r.b = r.b[n:]
	return v
}

// cursors are how far the readers of a shard's log have come.
type cursors struct {
	Wakes int64 // every wake-up up to this row is parked
	// Only is the position of the only visibility store, where the checkpoint was written when there was but one.
	Only  int64
	Feeds []feedCursor
}

// feedCursor is one visibility store's part.
type feedCursor struct {
	Name     string
	Position int64 // every record up to this row is written
	State    feedState
}

// The cursors' format 2; format 1 is two positions, of the wake-ups and of the only store.
func (c cursors) encode() []byte {
	b := protowire.AppendVarint([]byte{2}, uint64(c.Wakes))
	b = protowire.AppendVarint(b, uint64(c.Only))
	for _, f := range c.Feeds {
		b = protowire.AppendString(b, f.Name)
		b = protowire.AppendVarint(b, uint64(f.Position))
		b = protowire.AppendVarint(b, uint64(f.State))
	}
	return b
}

func decodeCursors(b []byte) (cursors, error) {
	if len(b) == 0 {
		return cursors{}, nil
	}
	r := varints{b: b[1:]}
	c := cursors{Wakes: int64(r.next()), Only: int64(r.next())}
	for b[0] == 2 && len(r.b) > 0 && !r.bad {
		c.Feeds = append(c.Feeds, feedCursor{r.text(), int64(r.next()), feedState(r.next())})
	}
	if b[0] > 2 || b[0] < 1 || r.bad {
		return cursors{}, fmt.Errorf("%w: cursors of an unknown format", store.ErrDamaged)
	}
	return c, nil
}

// of is where a store begins. known is false when nothing is stored of it.
func (c cursors) of(f *feed) (at feedCursor, known bool) {
	for _, at := range c.Feeds {
		if at.Name == f.Name {
			return at, true
		}
	}
	if f.First && len(c.Feeds) == 0 {
		return feedCursor{Name: f.Name, Position: c.Only}, true
	}
	return feedCursor{}, false
}
