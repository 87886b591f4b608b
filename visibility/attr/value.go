package attr

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
)

// Metadata of payloads.
const (
	metadataEncoding = "encoding"
	metadataType     = "type"

	encodingJSON   = "json/plain"
	encodingNull   = "binary/null"
	encodingBinary = "binary/plain"
)

// Decode returns the value of a payload as the Go type of t: string for
// Keyword and Text, int64, float64, bool, time.Time, []string for KeywordList.
// It returns nil for an absent value: null and the empty list. A list of one
// element is taken for a scalar. The metadata "type" is not looked at.
func Decode(p *commonpb.Payload, t enumspb.IndexedValueType) (any, error) {
	if IsNull(p) {
		return nil, nil
	}
	if string(p.GetMetadata()[metadataEncoding]) != encodingJSON {
		return nil, fmt.Errorf("encoding %q of a search attribute is not %s", p.GetMetadata()[metadataEncoding], encodingJSON)
	}
	switch t {
	case text, keyword:
		return scalar[string](p.GetData())
	case integer:
		return scalar[int64](p.GetData())
	case double:
		return scalar[float64](p.GetData())
	case boolean:
		return scalar[bool](p.GetData())
	case datetime:
		return scalar[time.Time](p.GetData())
	case keywordList:
		return stringList(p.GetData())
	default:
		return nil, fmt.Errorf("a search attribute cannot have type %s", t)
	}
}

// scalar decodes a T, or a list with one T.
func scalar[T any](data []byte) (any, error) {
	var value T
	err := json.Unmarshal(data, &value)
	if err == nil {
		return value, nil
	}
	var list []T
	if json.Unmarshal(data, &list) == nil && len(list) == 1 {
		return list[0], nil
	}
	return nil, err
}

// stringList decodes a list of strings, or a list with one such list.
func stringList(data []byte) (any, error) {
	if list, ok := plainList(string(data)); ok {
		return list, nil
	}
	var list []string
	err := json.Unmarshal(data, &list)
	if err == nil {
		return list, nil
	}
	var nested [][]string
	switch {
	case json.Unmarshal(data, &nested) != nil || len(nested) != 1:
		return nil, err
	case len(nested[0]) == 0:
		return nil, nil
	default:
		return nested[0], nil
	}
}

// plainList decodes what most lists look like, JSON strings without blanks
// between them and without anything to unescape: the server reads the builds of
// a run at each of its closes.
func plainList(text string) (list []string, ok bool) {
	rest, ok := strings.CutPrefix(text, `["`)
	if !ok {
		return nil, false
	}
	if rest, ok = strings.CutSuffix(rest, `"]`); !ok || strings.ContainsFunc(rest, needsJSON) {
		return nil, false
	}
	list = strings.Split(rest, `","`)
	for _, word := range list {
		if strings.Contains(word, `"`) {
			return nil, false
		}
	}
	return list, true
}

// needsJSON tells a character that JSON may write otherwise.
func needsJSON(r rune) bool { return r < ' ' || r == '\\' || r >= utf8.RuneSelf }

// Encode is the inverse of Decode, with the type in the metadata. It panics
// on a Go type that Decode never returns.
func Encode(value any, t enumspb.IndexedValueType) *commonpb.Payload {
	data, err := marshal(value)
	if err != nil {
		panic(fmt.Sprintf("encode search attribute of type %s: %v", t, err))
	}
	return &commonpb.Payload{
		Metadata: map[string][]byte{metadataEncoding: []byte(encodingJSON), metadataType: []byte(t.String())},
		Data:     data,
	}
}

// marshal writes JSON without the escapes that only HTML needs.
func marshal(value any) ([]byte, error) {
	var b strings.Builder
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(value); err != nil {
		return nil, err
	}
	return []byte(strings.TrimSuffix(b.String(), "\n")), nil
}

// IsNull tells whether a payload stands for no value: none at all, null, or the empty list.
func IsNull(p *commonpb.Payload) bool {
	if p == nil || string(p.GetMetadata()[metadataEncoding]) == encodingNull {
		return true
	}
	if string(p.GetMetadata()[metadataEncoding]) != encodingJSON {
		return false
	}
	data := strings.TrimSpace(string(p.GetData()))
	if data == "null" {
		return true
	}
	return strings.HasPrefix(data, "[") && strings.TrimSpace(data[1:]) == "]"
}
