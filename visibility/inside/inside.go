// Package inside takes out of payloads what search may look at. It is pure.
//
// Only payloads that say that they are JSON or plain text are read: of any
// other encoding, an encrypted one above all, nothing is taken.
package inside

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	commonpb "go.temporal.io/api/common/v1"

	"perdure/visibility/attr"
)

const (
	// BytesMax is how much is taken of each thing: an index is no archive.
	BytesMax = 8 << 10
	// fieldsMax bounds the fields of one memo.
	fieldsMax = 64
	// valueBytesMax is how much of one value is looked at: what is left out of a text goes before the text is cut.
	valueBytesMax = 64 << 10
	// Redacted stands for what is left out.
	Redacted = "[redacted]"
)

// Look says what search looks at inside the runs of a namespace.
type Look struct {
	Memo, Input, Result, Activities, Signals, Pending bool
	// Redact is left out wherever it matches.
	Redact []*regexp.Regexp
}

// Parts are the words of a Look.
var Parts = []string{"memo", "input", "result", "activities", "signals", "pending"}

// Parse reads a Look from its words, separated by spaces; all stands for all of them.
func Parse(words string) (Look, error) {
	var l Look
	targets := map[string]*bool{
		"memo": &l.Memo, "input": &l.Input, "result": &l.Result, "activities": &l.Activities, "signals": &l.Signals, "pending": &l.Pending,
	}
	chosen := strings.Fields(words)
	if len(chosen) == 1 && chosen[0] == "all" {
		chosen = Parts
	}
	for _, word := range chosen {
		target, known := targets[word]
		if !known {
			return Look{}, fmt.Errorf("%q is none of %s, all", word, strings.Join(Parts, ", "))
		}
		*target = true
	}
	return l, nil
}

// Any tells whether there is anything to look at.
func (l *Look) Any() bool {
	return l.Memo || l.Input || l.Result || l.Activities || l.Signals || l.Pending
}

// Hide leaves out of a text what is not to be found.
func (l *Look) Hide(text string) string {
	for _, pattern := range l.Redact {
		text = pattern.ReplaceAllLiteralString(text, Redacted)
	}
	return text
}

// Text is what payloads say: names and values in their order, with spaces between.
func (l *Look) Text(payloads *commonpb.Payloads) string {
	var words []string
	length := 0
	for _, p := range payloads.GetPayloads() {
		if length >= BytesMax {
			break
		}
		for _, word := range wordsOf(p) {
			words = append(words, word)
			length += len(word)
		}
	}
	return Cut(l.Hide(strings.Join(words, " ")), BytesMax)
}

// isReadable tells the encodings that are read.
func isReadable(p *commonpb.Payload) (isJSON, isText bool) {
	encoding := string(p.GetMetadata()["encoding"])
	return encoding == "json/plain", encoding == "text/plain" && utf8.Valid(p.GetData())
}

// wordsOf are the names and values of a payload; none when it cannot be read.
func wordsOf(p *commonpb.Payload) []string {
	isJSON, isText := isReadable(p)
	switch {
	case isText:
		return []string{Cut(string(p.GetData()), valueBytesMax)}
	case !isJSON || !utf8.Valid(p.GetData()):
		return nil
	}
	decoder := json.NewDecoder(bytes.NewReader(p.GetData()))
	decoder.UseNumber()
	var words []string
	for length := 0; length < BytesMax; {
		token, err := decoder.Token()
		if err == io.EOF {
			return words
		}
		if err != nil {
			return nil
		}
		if word := scalar(token); word != "" {
			words = append(words, Cut(word, valueBytesMax))
			length += len(word)
		}
	}
	return words
}

// scalar is the text of a JSON value that is neither object nor list; empty for null.
func scalar(token any) string {
	switch v := token.(type) {
	case string:
		return v
	case json.Number:
		return v.String()
	case bool:
		return fmt.Sprint(v)
	}
	return ""
}

// Field is a value of a memo under its name; names of parts are joined with dots.
type Field struct{ Name, Value string }

// Fields are the values of a memo in order of name, with what is not to be found left out.
func (l *Look) Fields(memo *commonpb.Memo) []Field {
	var found []Field
	for _, name := range slices.Sorted(maps.Keys(memo.GetFields())) {
		p := memo.GetFields()[name]
		if isJSON, isText := isReadable(p); isText {
			found = append(found, Field{name, string(p.GetData())})
		} else if isJSON && len(p.GetData()) <= valueBytesMax && utf8.Valid(p.GetData()) {
			found = appendFields(found, name, p.GetData())
		}
	}
	slices.SortFunc(found, func(a, b Field) int { return strings.Compare(a.Name, b.Name) })
	left := BytesMax
	for i, f := range found {
		found[i].Value = Cut(l.Hide(Cut(f.Value, valueBytesMax)), attr.MaxValueBytes)
		if left -= len(f.Name) + len(found[i].Value); left < 0 || i == fieldsMax {
			return found[:i]
		}
	}
	return found
}

// appendFields adds what a JSON value says: an object by its parts, a list as one text.
func appendFields(found []Field, name string, data []byte) []Field {
	var object map[string]json.RawMessage
	if bytes.HasPrefix(bytes.TrimSpace(data), []byte("{")) && json.Unmarshal(data, &object) == nil {
		for _, part := range slices.Sorted(maps.Keys(object)) {
			if len(found) > 2*fieldsMax {
				break
			}
			found = appendFields(found, name+"."+part, object[part])
		}
		return found
	}
	words := wordsOf(&commonpb.Payload{Metadata: map[string][]byte{"encoding": []byte("json/plain")}, Data: data})
	if len(words) == 0 {
		return found
	}
	return append(found, Field{name, strings.Join(words, " ")})
}

// Cut shortens a text at a character.
func Cut(text string, bytesMax int) string {
	if len(text) <= bytesMax {
		return text
	}
	end := bytesMax
	for end > 0 && !utf8.RuneStart(text[end]) {
		end--
	}
	return text[:end]
}
