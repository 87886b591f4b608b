package attr

import (
	"fmt"
	"maps"
	"slices"

	enumspb "go.temporal.io/api/enums/v1"
)

// How many custom attributes of a type a namespace can have: what the public
// dev server grants, so that tools see the same limit.
const (
	MaxKeywords  = 10
	MaxOfOneType = 3 // other than keywords
)

var maxPerType = map[enumspb.IndexedValueType]int{
	boolean: MaxOfOneType, integer: MaxOfOneType, double: MaxOfOneType, datetime: MaxOfOneType,
	keyword: MaxKeywords, keywordList: MaxOfOneType, text: MaxOfOneType,
}

// Add returns custom with the attributes of add. A name that exists already
// keeps its type, and the empty name is passed over. The errors are ready for the user.
func Add(custom, add Types) (Types, error) {
	out := clone(custom)
	for _, name := range slices.Sorted(maps.Keys(add)) {
		if err := checkNew(name, add[name]); err != nil {
			return nil, err
		}
		if _, exists := out[name]; !exists && name != "" {
			out[name] = add[name]
		}
	}
	for _, name := range slices.Sorted(maps.Keys(add)) {
		if err := checkCount(custom, out, add[name]); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func checkNew(name string, t enumspb.IndexedValueType) error {
	if IsReserved(name) {
		return errorf("Search attribute %s is reserved by system.", name)
	}
	if _, known := enumspb.IndexedValueType_name[int32(t)]; !known {
		return errorf("Unknown search attribute type: %d.", int32(t))
	}
	if _, usable := maxPerType[t]; !usable {
		return tooMany(t)
	}
	return nil
}

// checkCount refuses an addition of type t beyond its limit; what is there already stays valid.
func checkCount(before, after Types, t enumspb.IndexedValueType) error {
	if n := countOf(after, t); n > maxPerType[t] && n > countOf(before, t) {
		return tooMany(t)
	}
	return nil
}

func tooMany(t enumspb.IndexedValueType) error {
	return errorf("Unable to create search attributes: cannot have more than %d search attribute of type %s.", maxPerType[t], t)
}

func countOf(types Types, want enumspb.IndexedValueType) int {
	n := 0
	for _, t := range types {
		if t == want {
			n++
		}
	}
	return n
}

// Remove returns custom without names. An unknown name is no error; a name of
// the system's own is. The errors are ready for the user.
func Remove(custom Types, names []string) (Types, error) {
	out := clone(custom)
	for _, name := range names {
		if _, fixed := nonCustomType(name); fixed {
			return nil, errorf("Unable to remove non-custom search attributes: %s.", name)
		}
		delete(out, name)
	}
	return out, nil
}

// Error says what is wrong with attributes in words for the user. Every error
// of this package is one; it means an invalid argument.
type Error struct{ Message string }

func (e *Error) Error() string { return e.Message }

func errorf(format string, args ...any) error {
	return &Error{Message: fmt.Sprintf(format, args...)}
}
