package elastic

import (
	"encoding/hex"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
)

// sortable returns a value as a string, so that values of one type and their
// strings have the same order, byte by byte.
func sortable(value any) string {
	switch value := value.(type) {
	case string:
		return value
	case int64:
		return hex64(uint64(value) ^ 1<<63)
	case float64:
		return hex64(floatKey(value))
	case bool:
		return strconv.Itoa(boolKey(value))
	case time.Time:
		return timeKey(value)
	default:
		panic(fmt.Sprintf("a value of type %T has no order", value))
	}
}

func hex64(bits uint64) string {
	const digits = "0123456789abcdef"
	text := make([]byte, 16)
	for i := range text {
		text[i] = digits[bits>>(60-4*i)&15]
	}
	return string(text)
}

// floatKey maps doubles to numbers of the same order; both zeros are one.
func floatKey(f float64) uint64 {
	if f == 0 {
		return 1 << 63
	}
	bits := math.Float64bits(f)
	if bits>>63 == 1 {
		return ^bits
	}
	return bits | 1<<63
}

func boolKey(b bool) int {
	if b {
		return 1
	}
	return 0
}

// secondsOffset makes the seconds of every year from -1 to 10000 positive.
const secondsOffset = 62_300_000_000

// timeKey has twelve digits of seconds and nine of nanoseconds. Attributes hold years 0 to 9999.
func timeKey(t time.Time) string {
	return fmt.Sprintf("%012d%09d", t.Unix()+secondsOffset, t.Nanosecond())
}

// original is the inverse of sortable.
func original(text string, t enumspb.IndexedValueType) (any, error) {
	switch t {
	case enumspb.INDEXED_VALUE_TYPE_INT:
		bits, err := strconv.ParseUint(text, 16, 64)
		return int64(bits ^ 1<<63), err
	case enumspb.INDEXED_VALUE_TYPE_DOUBLE:
		bits, err := strconv.ParseUint(text, 16, 64)
		return floatOf(bits), err
	case enumspb.INDEXED_VALUE_TYPE_BOOL:
		return text == "1", nil
	case enumspb.INDEXED_VALUE_TYPE_DATETIME:
		return timeOf(text)
	default:
		return text, nil
	}
}

func floatOf(key uint64) float64 {
	if key>>63 == 1 {
		return math.Float64frombits(key &^ (1 << 63))
	}
	return math.Float64frombits(^key)
}

func timeOf(text string) (any, error) {
	if len(text) != 21 {
		return nil, fmt.Errorf("time %q has not 21 digits", text)
	}
	seconds, err := strconv.ParseInt(text[:12], 10, 64)
	if err != nil {
		return nil, err
	}
	nanos, err := strconv.ParseInt(text[12:], 10, 64)
	return time.Unix(seconds-secondsOffset, nanos).UTC(), err
}

// attributeKey names an attribute inside a document: its type, a colon and its
// name. It has lower case letters, digits and few signs only, so that it means
// itself in paths and patterns, and so that a pattern that ignores case finds no other key.
func attributeKey(name string, t enumspb.IndexedValueType) string {
	key := strconv.AppendInt(make([]byte, 0, len(name)+8), int64(t), 10)
	key = append(key, ':')
	for _, c := range []byte(name) {
		switch {
		case c == '_' || c == '-' || c >= '0' && c <= '9' || c >= 'a' && c <= 'z':
			key = append(key, c)
		case c >= 'A' && c <= 'Z':
			key = append(key, '^', c-'A'+'a')
		default:
			key = append(append(key, '%'), hex.EncodeToString([]byte{c})...)
		}
	}
	return string(key)
}

// valueSign stands between the key and the value of a term; the next sign ends the values of a key.
const (
	valueSign  = "="
	valuesDone = ">"
)

// longWordBytes is where a word of a text is cut: the analyzer splits longer ones.
const longWordBytes = 160

// wordTerm is a word of a text attribute as a term without white space.
func wordTerm(key, word string) string {
	if len(word) <= longWordBytes {
		return key + valueSign + word
	}
	return key + valueSign + "~" + digest(word)
}

// wordsText joins the words of a text in their order.
func wordsText(key string, words []string) string {
	terms := make([]string, len(words))
	for i, word := range words {
		terms[i] = wordTerm(key, word)
	}
	return strings.Join(terms, " ")
}
