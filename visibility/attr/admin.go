package attr

import (
	"fmt"
	"maps"
	"slices"

	enumspb "go.temporal.io/api/enums/v1"
)

// MaxCustom is how many custom attributes a namespace can have: they are one
// record, which each search and each start looks into. There are no slots of a type.
const MaxCustom = 1000

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
	if len(out) > MaxCustom && len(out) > len(custom) {
		return nil, errorf("Unable to create search attributes: cannot have more than %d search attributes.", MaxCustom)
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
	if t == enumspb.INDEXED_VALUE_TYPE_UNSPECIFIED {
		return errorf("Unable to create search attributes: cannot have more than 0 search attribute of type %s.", t)
	}
	return nil
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
