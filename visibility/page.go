package visibility

import (
	"encoding/binary"
	"fmt"
	"hash/fnv"
	"math"
)

// OpenKey is the sort key of an open run: later than every close time.
const OpenKey = math.MaxInt64

// Position is the place of a record in the default order, which is descending
// in all three.
type Position struct {
	CloseKey   int64 // close time in nanoseconds since 1970, OpenKey while open
	StartNanos int64
	RunID      string
}

// PositionOf returns the place of a record.
func PositionOf(rec *Record) Position {
	p := Position{CloseKey: OpenKey, StartNanos: Nanos(rec.StartTime), RunID: rec.RunID}
	if !rec.IsOpen() {
		p.CloseKey = Nanos(rec.CloseTime)
	}
	return p
}

// Tokens consist of a version, a hash of the query, the two times and the run id.
const (
	tokenVersion   = 1
	tokenHeadBytes = 1 + 8 + 8 + 8
)

// Token is the page token that continues req behind p.
func (p Position) Token(req ListRequest) []byte {
	token := append(make([]byte, 0, tokenHeadBytes+len(p.RunID)), tokenVersion)
	token = binary.BigEndian.AppendUint64(token, req.hash())
	token = binary.BigEndian.AppendUint64(token, uint64(p.CloseKey))
	token = binary.BigEndian.AppendUint64(token, uint64(p.StartNanos))
	return append(token, p.RunID...)
}

// Position reads the page token of the request; nil without one. The error is an ErrPageToken.
func (req ListRequest) Position() (*Position, error) {
	token := req.PageToken
	if len(token) == 0 {
		return nil, nil
	}
	if len(token) < tokenHeadBytes || token[0] != tokenVersion {
		return nil, fmt.Errorf("%w: unreadable", ErrPageToken)
	}
	if binary.BigEndian.Uint64(token[1:]) != req.hash() {
		return nil, fmt.Errorf("%w: it belongs to another query", ErrPageToken)
	}
	return &Position{
		CloseKey:   int64(binary.BigEndian.Uint64(token[9:])),
		StartNanos: int64(binary.BigEndian.Uint64(token[17:])),
		RunID:      string(token[tokenHeadBytes:]),
	}, nil
}

// Size is the page size within its limits.
func (req ListRequest) Size() int {
	if req.PageSize <= 0 || req.PageSize > MaxPageSize {
		return MaxPageSize
	}
	return req.PageSize
}

func (req ListRequest) hash() uint64 {
	h := fnv.New64a()
	h.Write([]byte(req.NamespaceID + "\x00" + req.Query.String()))
	return h.Sum64()
}

// Newest returns one record per run, the one with the highest version, in the
// order in which the runs come first.
func Newest(records []*Record) []*Record {
	type key struct{ namespaceID, runID string }
	places := make(map[key]int, len(records))
	out := make([]*Record, 0, len(records))
	for _, rec := range records {
		k := key{rec.NamespaceID, rec.RunID}
		place, seen := places[k]
		switch {
		case !seen:
			places[k] = len(out)
			out = append(out, rec)
		case rec.Version > out[place].Version || rec.Again && rec.Version == out[place].Version:
			out[place] = rec
		}
	}
	return out
}
