package elastic

import (
	"encoding/base64"
	"fmt"
	"strconv"
	"time"
	"unicode/utf8"

	enumspb "go.temporal.io/api/enums/v1"

	"perdure/visibility"
	"perdure/visibility/attr"
	"perdure/visibility/eval"
)

// appendAction appends the two lines by which a bulk request writes a record.
// now dates a deletion, which is a document as well: it keeps older versions out
// for as long as visibility promises, also when the server starts again.
func appendAction(b []byte, rec *visibility.Record, now time.Time) ([]byte, error) {
	b = append(b, `{"index":{"_id":"`...)
	b = append(b, documentID(rec.NamespaceID, rec.RunID)...)
	b = append(b, `","version":`...)
	b = strconv.AppendInt(b, rec.Version, 10)
	b = append(b, `,"version_type":"`...)
	b = append(append(b, versionType(rec)...), `"}}`+"\n"...)
	if rec.Deleted {
		b = append(b, `{"`+fieldDeleted+`":`...)
		b = strconv.AppendInt(b, now.UnixMilli(), 10)
		return append(b, "}\n"...), nil
	}
	return appendDocument(b, rec)
}

// versionType is the rule by which a document replaces one that is there.
func versionType(rec *visibility.Record) string {
	if rec.Again {
		return "external_gte"
	}
	return "external"
}

// appendDocument appends one line of JSON.
func appendDocument(b []byte, rec *visibility.Record) ([]byte, error) {
	data, err := visibility.Encode(rec)
	if err != nil {
		return b, fmt.Errorf("encode record: %w", err)
	}
	d := document{text: append(b, '{')}
	d.keyword(fieldNamespace, rec.NamespaceID)
	d.number(fieldBucket, visibility.BucketOf(rec.StartTime))
	d.number(fieldChecksum, visibility.Checksum(rec.RunID, rec.Version))
	d.forPeople(rec)
	for name, value := range visibility.Row(rec) {
		c, isColumn := columns[name]
		items, areItems := value.Value.([]eval.Row)
		switch {
		case isColumn:
			d.column(c, value.Value)
		case areItems:
			d.terms = append(d.terms, itemsTerms(name, items)...)
		default:
			d.attribute(name, value)
		}
	}
	d.list(fieldTerms, d.terms)
	d.list(fieldWords, d.words)
	d.object(fieldValues, d.values)
	d.name(fieldRecord)
	d.text = append(d.text, '"')
	d.text = base64.StdEncoding.AppendEncode(d.text, data)
	return append(d.text, "\"}\n"...), nil
}

// forPeople writes what no filter of ours reads, in the form that dashboards read.
func (d *document) forPeople(rec *visibility.Record) {
	d.number(fieldStarted, rec.StartTime.UnixMilli())
	if !rec.IsOpen() {
		d.number(fieldClosed, rec.CloseTime.UnixMilli())
	}
	d.keyword(fieldStatus, rec.Status.String())
}

// document is a line in the making.
type document struct {
	text   []byte
	some   bool // there is a field already
	terms  []string
	words  []string
	values []keyValues
}

type keyValues struct {
	key  string
	list []string
}

// name begins a field. Its name is ours and needs no escape.
func (d *document) name(field string) {
	if d.some {
		d.text = append(d.text, ',')
	}
	d.some = true
	d.text = append(d.text, '"')
	d.text = append(d.text, field...)
	d.text = append(d.text, `":`...)
}

func (d *document) keyword(field, value string) {
	d.name(field)
	d.text = appendString(d.text, value)
}

func (d *document) number(field string, value int64) {
	d.name(field)
	d.text = strconv.AppendInt(d.text, value, 10)
}

// column writes an attribute that has a field.
func (d *document) column(c column, value any) {
	if !c.number {
		d.keyword(c.field, sortable(value))
		return
	}
	d.number(c.field, asNumber(value))
}

// asNumber is the stored form of a number or a time of the system.
func asNumber(value any) int64 {
	if t, ok := value.(time.Time); ok {
		return visibility.Nanos(t)
	}
	return value.(int64)
}

// attribute collects what finds an attribute without a field of its own.
func (d *document) attribute(name string, value attr.Value) {
	key := attributeKey(name, value.Type)
	d.terms = append(d.terms, key)
	var list []string
	switch v := value.Value.(type) {
	case []string:
		list = v
	case string:
		if value.Type == enumspb.INDEXED_VALUE_TYPE_TEXT {
			d.words = append(d.words, wordsText(key, attr.Tokens(v)))
			return
		}
		list = []string{v}
	default:
		list = []string{sortable(v)}
	}
	for _, text := range list {
		d.terms = append(d.terms, key+valueSign+text)
	}
	d.values = append(d.values, keyValues{key, list})
}

func (d *document) list(field string, values []string) {
	if len(values) > 0 {
		d.name(field)
		d.text = appendStrings(d.text, values)
	}
}

func (d *document) object(field string, values []keyValues) {
	if len(values) == 0 {
		return
	}
	d.name(field)
	d.text = append(d.text, '{')
	for i, v := range values {
		if i > 0 {
			d.text = append(d.text, ',')
		}
		d.text = appendString(d.text, v.key)
		d.text = append(d.text, ':')
		d.text = appendStrings(d.text, v.list)
	}
	d.text = append(d.text, '}')
}

func appendStrings(b []byte, values []string) []byte {
	b = append(b, '[')
	for i, value := range values {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendString(b, value)
	}
	return append(b, ']')
}

// appendString appends a JSON string. What is no UTF-8 becomes U+FFFD, as in the standard library.
func appendString(b []byte, s string) []byte {
	b = append(b, '"')
	plain := 0 // begin of what needs no escape
	for i := 0; i < len(s); {
		c := s[i]
		if c >= utf8.RuneSelf {
			r, size := utf8.DecodeRuneInString(s[i:])
			if r == utf8.RuneError && size == 1 {
				b = append(append(b, s[plain:i]...), "\ufffd"...)
				plain = i + 1
			}
			i += size
			continue
		}
		if c < ' ' || c == '"' || c == '\\' {
			b = appendEscape(append(b, s[plain:i]...), c)
			plain = i + 1
		}
		i++
	}
	return append(append(b, s[plain:]...), '"')
}

func appendEscape(b []byte, c byte) []byte {
	const digits = "0123456789abcdef"
	if c == '"' || c == '\\' {
		return append(b, '\\', c)
	}
	return append(b, '\\', 'u', '0', '0', digits[c>>4], digits[c&15])
}
