package attr

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
)

// Limits of the search attributes of one request. They keep an index entry
// small enough for every store.
const (
	MaxKeys       = 100
	MaxValueBytes = 2 << 10  // 2 KiB of encoded value
	MaxTotalBytes = 40 << 10 // 40 KiB of names and encoded values
)

// UndefinedError says that a namespace has no such attribute.
type UndefinedError struct {
	Namespace string
	Name      string
}

func (e *UndefinedError) Error() string {
	return fmt.Sprintf("Namespace %s has no mapping defined for search attribute %s", e.Namespace, e.Name)
}

// Validate checks search attributes that a client sets: names, types, sizes.
// The errors, *Error and *UndefinedError, have words for the user, with the
// namespace's name in them, and mean an invalid argument.
func Validate(namespace string, custom Types, sa *commonpb.SearchAttributes) error {
	fields := sa.GetIndexedFields()
	if len(fields) > MaxKeys {
		return errorf("number of search attributes %d exceeds limit %d", len(fields), MaxKeys)
	}
	if err := Defined(namespace, custom, sa); err != nil {
		return err
	}
	totalBytes := 0
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		if err := validateOne(custom, name, fields[name]); err != nil {
			return err
		}
		totalBytes += len(name) + len(fields[name].GetData())
	}
	if totalBytes > MaxTotalBytes {
		return errorf("total size of search attributes %d exceeds size limit %d", totalBytes, MaxTotalBytes)
	}
	return nil
}

// Defined checks only that the namespace has the attributes. The error is an *UndefinedError.
func Defined(namespace string, custom Types, sa *commonpb.SearchAttributes) error {
	for _, name := range slices.Sorted(maps.Keys(sa.GetIndexedFields())) {
		if _, ok := TypeOf(custom, name); !ok {
			return &UndefinedError{Namespace: namespace, Name: name}
		}
	}
	return nil
}

func validateOne(custom Types, name string, p *commonpb.Payload) error {
	_, onlyServer := serverOnly[name]
	if onlyServer || IsSystem(name) {
		return errorf("%s attribute can't be set in SearchAttributes", name)
	}
	t, _ := TypeOf(custom, name)
	if _, err := Decode(p, t); err != nil {
		return errorf("invalid value for search attribute %s of type %s: %s", name, t, show(p))
	}
	if n := len(p.GetData()); n > MaxValueBytes {
		return errorf("search attribute %s value size %d exceeds size limit %d", name, n, MaxValueBytes)
	}
	return nil
}

// show prints the value of a payload for an error, or the payload itself when it has none.
func show(p *commonpb.Payload) string {
	switch string(p.GetMetadata()[metadataEncoding]) {
	case encodingBinary:
		return fmt.Sprint(p.GetData())
	case encodingJSON:
		var value any
		if json.Unmarshal(p.GetData(), &value) == nil {
			return fmt.Sprint(value)
		}
	}
	return "value from <" + showPayload(p) + ">"
}

func showPayload(p *commonpb.Payload) string {
	var parts []string
	for _, key := range slices.Sorted(maps.Keys(p.GetMetadata())) {
		parts = append(parts, fmt.Sprintf("metadata:{key:%q  value:%q}", key, p.GetMetadata()[key]))
	}
	if len(p.GetData()) > 0 {
		parts = append(parts, fmt.Sprintf("data:%q", p.GetData()))
	}
	return strings.Join(parts, "  ")
}

// Merge returns current changed by an upsert: each attribute of upsert
// replaces that of the same name, and a null or empty list removes it. It
// changes neither argument, and returns nil when nothing is left.
func Merge(current, upsert *commonpb.SearchAttributes) *commonpb.SearchAttributes {
	fields := map[string]*commonpb.Payload{}
	for name, p := range current.GetIndexedFields() {
		fields[name] = p
	}
	for name, p := range upsert.GetIndexedFields() {
		fields[name] = p
	}
	for name, p := range fields {
		if IsNull(p) {
			delete(fields, name)
		}
	}
	if len(fields) == 0 {
		return nil
	}
	return &commonpb.SearchAttributes{IndexedFields: fields}
}

// Canonical returns sa as it is shown: each value in the form of its type,
// the type in the metadata, and absent, unknown or malformed values left out.
func Canonical(custom Types, sa *commonpb.SearchAttributes) *commonpb.SearchAttributes {
	fields := map[string]*commonpb.Payload{}
	for name, p := range sa.GetIndexedFields() {
		t, ok := TypeOf(custom, name)
		if !ok {
			continue
		}
		if value, err := Decode(p, t); err == nil && value != nil {
			fields[name] = Encode(value, t)
		}
	}
	if len(fields) == 0 {
		return nil
	}
	return &commonpb.SearchAttributes{IndexedFields: fields}
}

// Value is an attribute of a run with the type it was written with.
type Value struct {
	Type  enumspb.IndexedValueType
	Value any // what Decode returns, never nil
}

// Values decodes the attributes of a run: custom ones by the type in their own
// metadata, as Canonical wrote it. Absent values and those without a readable
// type are left out.
func Values(sa *commonpb.SearchAttributes) map[string]Value {
	values := make(map[string]Value, len(sa.GetIndexedFields()))
	for name, p := range sa.GetIndexedFields() {
		t, ok := nonCustomType(name)
		if !ok {
			t, _ = enumspb.IndexedValueTypeFromString(string(p.GetMetadata()[metadataType]))
		}
		if value, err := Decode(p, t); err == nil && value != nil {
			values[name] = Value{Type: t, Value: value}
		}
	}
	return values
}
