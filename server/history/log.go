package history

import (
	"fmt"
	"time"

	"google.golang.org/protobuf/encoding/protowire"

	"perdure/server/store"
)

// logTask is what one run's change asks of the readers of the shard's log.
type logTask struct {
	key        store.ExecutionKey
	wakeAt     time.Time // zero: no wake-up; the Unix epoch: at once
	visibility bool
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

// The log's format 1: a run of records, each slot, exec, flags, and the
// wake-up in microseconds when the flags say that there is one.
const (
	flagVisibility = 1 << iota
	flagWake
)

func encodeLog(tasks []logTask) []byte {
	b := []byte{1}
	for _, t := range tasks {
		flags := uint64(0)
		if t.visibility {
			flags |= flagVisibility
		}
		if !t.wakeAt.IsZero() {
			flags |= flagWake
		}
		b = protowire.AppendVarint(b, uint64(t.key.Slot))
		b = protowire.AppendVarint(b, uint64(t.key.Exec))
		b = protowire.AppendVarint(b, flags)
		if flags&flagWake != 0 {
			b = protowire.AppendVarint(b, uint64(t.wakeAt.UnixMicro()))
		}
	}
	return b
}

func decodeLog(b []byte) ([]logTask, error) {
	if len(b) == 0 || b[0] != 1 {
		return nil, fmt.Errorf("%w: log row of an unknown format", store.ErrDamaged)
	}
	var tasks []logTask
	r := varints{b: b[1:]}
	for len(r.b) > 0 && !r.bad {
		t := logTask{key: store.ExecutionKey{Slot: int32(r.next()), Exec: int64(r.next())}}
		flags := r.next()
		t.visibility = flags&flagVisibility != 0
		if flags&flagWake != 0 {
			t.wakeAt = time.UnixMicro(int64(r.next())).UTC()
		}
		tasks = append(tasks, t)
	}
	if r.bad {
		return nil, fmt.Errorf("%w: log row is cut short", store.ErrDamaged)
	}
	return tasks, nil
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

// cursors are how far the readers of a shard's log have come.
type cursors struct {
	Wakes      int64 // every wake-up up to this row is parked
	Visibility int64 // every record up to this row is written
}

func (c cursors) encode() []byte {
	return protowire.AppendVarint(protowire.AppendVarint([]byte{1}, uint64(c.Wakes)), uint64(c.Visibility))
}

func decodeCursors(b []byte) (cursors, error) {
	if len(b) == 0 {
		return cursors{}, nil
	}
	r := varints{b: b[1:]}
	c := cursors{Wakes: int64(r.next()), Visibility: int64(r.next())}
	if b[0] != 1 || r.bad {
		return cursors{}, fmt.Errorf("%w: cursors of an unknown format", store.ErrDamaged)
	}
	return c, nil
}
