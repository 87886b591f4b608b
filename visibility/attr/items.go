package attr

import (
	"encoding/json"
	"iter"
	"maps"
	"slices"

	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
)

// Kinds of items of which a run can have several at a time.
const (
	PendingActivity = "PendingActivity"
	PendingChild    = "PendingChild"
	PendingTimer    = "PendingTimer"
)

// itemTypes are the attributes of the items of each kind.
var itemTypes = map[string]Types{
	PendingActivity: {
		"Id": keyword, "Type": keyword, "State": keyword, "TaskQueue": keyword, "Attempt": integer, "MaximumAttempts": integer,
		"ScheduledTime": datetime, "LastStartedTime": datetime, "LastFailure": keyword, "LastWorkerIdentity": keyword,
	},
	PendingChild: {"WorkflowId": keyword, "RunId": keyword, "Type": keyword, "ParentClosePolicy": keyword},
	PendingTimer: {"Id": keyword, "FireTime": datetime},
}

// ItemTypes returns the attributes of the items of a kind; false for no kind.
func ItemTypes(kind string) (Types, bool) {
	types, ok := itemTypes[kind]
	return types, ok
}

// itemKinds are looked through for each record that is written.
var itemKinds = slices.Sorted(maps.Keys(itemTypes))

// ItemKinds returns the kinds in order of name. The list must not be changed.
func ItemKinds() []string { return itemKinds }

// ItemsKey is the key under which a record has its items of a kind.
func ItemsKey(kind string) string { return BuiltInPrefix + "items." + kind }

// EncodeItems writes items of a kind, one after the other, as long as they fit
// into so many bytes. Values are of the Go types of Decode. Nil: there are none.
func EncodeItems(items iter.Seq[map[string]any], bytesMax int) *commonpb.Payload {
	data := []byte{'['}
	for item := range items {
		text, err := marshal(item)
		if err != nil {
			continue // a time beyond the years of JSON
		}
		if len(data)+len(text)+2 > bytesMax {
			break
		}
		if len(data) > 1 {
			data = append(data, ',')
		}
		data = append(data, text...)
	}
	if len(data) == 1 {
		return nil
	}
	return &commonpb.Payload{Metadata: map[string][]byte{metadataEncoding: []byte(encodingJSON)}, Data: append(data, ']')}
}

// DecodeItems reads what EncodeItems wrote. What is not of its type is left out.
func DecodeItems(kind string, p *commonpb.Payload) []map[string]Value {
	types, known := ItemTypes(kind)
	var encoded []map[string]json.RawMessage
	if !known || p == nil || json.Unmarshal(p.GetData(), &encoded) != nil {
		return nil
	}
	items := make([]map[string]Value, len(encoded))
	for i, fields := range encoded {
		items[i] = make(map[string]Value, len(fields))
		for name, data := range fields {
			if value, ok := decodeItem(types[name], data); ok {
				items[i][name] = value
			}
		}
	}
	return items
}

func decodeItem(t enumspb.IndexedValueType, data []byte) (Value, bool) {
	value, err := Decode(&commonpb.Payload{Metadata: map[string][]byte{metadataEncoding: []byte(encodingJSON)}, Data: data}, t)
	return Value{Type: t, Value: value}, err == nil && value != nil
}
