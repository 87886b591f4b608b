package attr

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
)

// Marks of the types in the binary form of a scalar.
const (
	markAbsent = iota
	markString
	markInt
	markDouble
	markFalse
	markTrue
	markTime
)

// AppendScalar appends a value of an attribute, no list, in a binary form that
// tells its type. Equal values have equal forms; nil stands for an absent one.
func AppendScalar(b []byte, value any) []byte {
	switch value := value.(type) {
	case nil:
		return append(b, markAbsent)
	case string:
		b = binary.AppendUvarint(append(b, markString), uint64(len(value)))
		return append(b, value...)
	case int64:
		return binary.BigEndian.AppendUint64(append(b, markInt), uint64(value))
	case float64:
		return binary.BigEndian.AppendUint64(append(b, markDouble), math.Float64bits(value+0)) // -0 is 0
	case bool:
		if value {
			return append(b, markTrue)
		}
		return append(b, markFalse)
	case time.Time:
		b = binary.BigEndian.AppendUint64(append(b, markTime), uint64(value.Unix()))
		return binary.BigEndian.AppendUint32(b, uint32(value.Nanosecond()))
	default:
		panic(fmt.Sprintf("%T is no scalar of a search attribute", value))
	}
}

var errNoScalar = errors.New("no value of a search attribute")

// ReadScalar reads what AppendScalar wrote, and returns what is behind it.
func ReadScalar(b []byte) (value any, rest []byte, err error) {
	if len(b) == 0 {
		return nil, nil, errNoScalar
	}
	mark, b := b[0], b[1:]
	switch mark {
	case markAbsent:
		return nil, b, nil
	case markFalse, markTrue:
		return mark == markTrue, b, nil
	case markString:
		size, n := binary.Uvarint(b)
		if n <= 0 || size > uint64(len(b)-n) {
			return nil, nil, errNoScalar
		}
		end := n + int(size)
		return string(b[n:end]), b[end:], nil
	default:
		return readNumber(mark, b)
	}
}

// readNumber reads what has eight bytes or more.
func readNumber(mark byte, b []byte) (value any, rest []byte, err error) {
	if len(b) < 8 {
		return nil, nil, errNoScalar
	}
	bits, b := binary.BigEndian.Uint64(b), b[8:]
	switch {
	case mark == markInt:
		return int64(bits), b, nil
	case mark == markDouble && !math.IsNaN(math.Float64frombits(bits)):
		return math.Float64frombits(bits), b, nil
	case mark == markTime && len(b) >= 4:
		return time.Unix(int64(bits), int64(binary.BigEndian.Uint32(b))).UTC(), b[4:], nil
	default:
		return nil, nil, errNoScalar
	}
}

// IsScalarOf tells whether a value is absent or what Decode returns for the type;
// of a list, an element.
func IsScalarOf(value any, t enumspb.IndexedValueType) bool {
	switch value.(type) {
	case nil:
		return true
	case string:
		return t == text || t == keyword || t == keywordList
	case int64:
		return t == integer
	case float64:
		return t == double
	case bool:
		return t == boolean
	default:
		return t == datetime
	}
}
