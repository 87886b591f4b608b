package visibility

import (
	"encoding/binary"
	"fmt"
	"hash/fnv"
	"time"

	"perdure/visibility/attr"
	"perdure/visibility/eval"
	"perdure/visibility/query"
)

// Position is the place of a record in the order of a list: the values of the
// terms of query.Query.Order, nil where absent. No store needs more to go on
// behind it, so a page token of one store is good for every other.
type Position []any

// PositionOf returns the place of a record in the order of a query.
func PositionOf(q *query.Query, rec *Record) Position {
	return eval.Tuple(q.Order(), Row(rec))
}

// Tokens consist of a version, a hash of the query, the time that NOW() stands
// for in it, and the position.
const (
	tokenVersion   = 2
	tokenHeadBytes = 1 + 8 + 8
)

// Token is the page token that continues req behind p.
func (p Position) Token(req ListRequest) []byte {
	token := append(make([]byte, 0, 2*tokenHeadBytes), tokenVersion)
	token = binary.BigEndian.AppendUint64(token, req.hash())
	token = binary.BigEndian.AppendUint64(token, asOfNanos(req.Query.AsOf))
	for _, value := range p {
		token = attr.AppendScalar(token, value)
	}
	return token
}

func asOfNanos(asOf time.Time) uint64 {
	if asOf.IsZero() {
		return 0
	}
	return uint64(asOf.UnixNano())
}

// TokenAsOf returns the time that NOW() stood for in the query of a page token;
// false where the query had none, or the token is none. The next page must be
// asked for with the same time.
func TokenAsOf(token []byte) (time.Time, bool) {
	if len(token) < tokenHeadBytes || token[0] != tokenVersion {
		return time.Time{}, false
	}
	nanos := int64(binary.BigEndian.Uint64(token[9:]))
	return time.Unix(0, nanos).UTC(), nanos != 0
}

// Position reads the page token of the request; nil without one. The error is an ErrPageToken.
func (req ListRequest) Position() (Position, error) {
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
	return readPosition(req.Query.Order(), token[tokenHeadBytes:])
}

// readPosition reads one value for each term, of the type that the term has.
func readPosition(terms []query.OrderTerm, b []byte) (Position, error) {
	p := make(Position, len(terms))
	for i, term := range terms {
		value, rest, err := attr.ReadScalar(b)
		if err != nil || !attr.IsScalarOf(value, term.Field.Type) {
			return nil, fmt.Errorf("%w: unreadable", ErrPageToken)
		}
		p[i], b = value, rest
	}
	if len(b) > 0 {
		return nil, fmt.Errorf("%w: unreadable", ErrPageToken)
	}
	return p, nil
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
