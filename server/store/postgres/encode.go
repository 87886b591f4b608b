package postgres

import (
	"encoding/binary"
	"time"
)

// Object ids of element types, fixed by PostgreSQL (pg_type.dat).
const (
	oidBytes     = 17
	oidInt64     = 20
	oidInt16     = 21
	oidInt32     = 23
	oidText      = 25
	oidTimestamp = 1184 // with time zone
)

// epochMicros is PostgreSQL's zero of time, 2000-01-01, in Unix microseconds.
const epochMicros = 946_684_800_000_000

// arrays builds the binary parameters of one statement, each a one-dimensional
// array, in one buffer. The driver's generic encoder costs several allocations
// an element, which a commit of thousands of rows feels.
type arrays struct {
	buffer []byte
	starts []int // where each parameter begins in buffer
}

func (a *arrays) reset() {
	a.buffer = a.buffer[:0]
	a.starts = a.starts[:0]
}

// begin writes the head of an array: one dimension, whether nulls may follow,
// type, length, lower bound.
func (a *arrays) begin(oid uint32, length int, nulls uint32) {
	a.starts = append(a.starts, len(a.buffer))
	for _, word := range [...]uint32{1, nulls, oid, uint32(length), 1} {
		a.buffer = binary.BigEndian.AppendUint32(a.buffer, word)
	}
}

// parameters are the finished arrays. They are valid until reset.
func (a *arrays) parameters(into [][]byte) [][]byte {
	for i, start := range a.starts {
		end := len(a.buffer)
		if i+1 < len(a.starts) {
			end = a.starts[i+1]
		}
		into = append(into, a.buffer[start:end])
	}
	return into
}

func (a *arrays) int16s(length int, at func(i int) int16) {
	a.begin(oidInt16, length, 0)
	for i := range length {
		a.buffer = binary.BigEndian.AppendUint32(a.buffer, 2)
		a.buffer = binary.BigEndian.AppendUint16(a.buffer, uint16(at(i)))
	}
}

func (a *arrays) int32s(length int, at func(i int) int32) {
	a.begin(oidInt32, length, 0)
	for i := range length {
		a.buffer = binary.BigEndian.AppendUint32(a.buffer, 4)
		a.buffer = binary.BigEndian.AppendUint32(a.buffer, uint32(at(i)))
	}
}

func (a *arrays) int64s(length int, at func(i int) int64) {
	a.begin(oidInt64, length, 0)
	for i := range length {
		a.int64(at(i))
	}
}

func (a *arrays) int64(value int64) {
	a.buffer = binary.BigEndian.AppendUint32(a.buffer, 8)
	a.buffer = binary.BigEndian.AppendUint64(a.buffer, uint64(value))
}

// times writes the zero time as null.
func (a *arrays) times(length int, at func(i int) time.Time) {
	a.begin(oidTimestamp, length, 1)
	for i := range length {
		if t := at(i); t.IsZero() {
			a.buffer = binary.BigEndian.AppendUint32(a.buffer, ^uint32(0)) // length -1
		} else {
			a.int64(t.UnixMicro() - epochMicros)
		}
	}
}

func (a *arrays) texts(length int, at func(i int) string) {
	a.begin(oidText, length, 0)
	for i := range length {
		text := escape(at(i))
		a.buffer = binary.BigEndian.AppendUint32(a.buffer, uint32(len(text)))
		a.buffer = append(a.buffer, text...)
	}
}

func (a *arrays) blobs(length int, at func(i int) []byte) {
	a.begin(oidBytes, length, 0)
	for i := range length {
		data := at(i)
		a.buffer = binary.BigEndian.AppendUint32(a.buffer, uint32(len(data)))
		a.buffer = append(a.buffer, data...)
	}
}
