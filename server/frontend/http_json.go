package frontend

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/grpc-ecosystem/grpc-gateway/v2/runtime"
	commonpb "go.temporal.io/api/common/v1"
	"go.temporal.io/api/temporalproto"
	"google.golang.org/protobuf/proto"
)

// Content types of the API. Payloads are written as the JSON they contain
// unless the client asks for them in full.
const (
	mimeJSON        = "application/json"
	suffixPretty    = "+pretty"
	suffixNoShort   = "+no-payload-shorthand"
	mimePretty      = mimeJSON + suffixPretty
	mimeFull        = mimeJSON + suffixNoShort
	mimeFullPretty  = mimeJSON + suffixPretty + suffixNoShort
	mimeFullPretty2 = mimeJSON + suffixNoShort + suffixPretty
)

// jsonMarshalers are the formats of the API by content type.
func jsonMarshalers() []runtime.ServeMuxOption {
	short, pretty := jsonFormat{shorthand: true}, jsonFormat{shorthand: true, indent: "  "}
	full, fullPretty := jsonFormat{}, jsonFormat{indent: "  "}
	return []runtime.ServeMuxOption{
		runtime.WithMarshalerOption(runtime.MIMEWildcard, short),
		runtime.WithMarshalerOption(mimeJSON, short),
		runtime.WithMarshalerOption(mimePretty, pretty),
		runtime.WithMarshalerOption(mimeFull, full),
		runtime.WithMarshalerOption(mimeFullPretty, fullPretty),
		runtime.WithMarshalerOption(mimeFullPretty2, fullPretty),
	}
}

// chooseFormat lets the query parameters pretty and noPayloadShorthand choose
// the format of the answer, for people with a browser or curl.
func chooseFormat(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		values, suffix := r.URL.Query(), ""
		for name, s := range map[string]string{"pretty": suffixPretty, "noPayloadShorthand": suffixNoShort} {
			if values.Has(name) {
				suffix += s
				values.Del(name)
			}
		}
		if suffix != "" {
			r = r.Clone(r.Context())
			r.URL.RawQuery = values.Encode()
			r.Header.Set("Accept", mimeJSON+suffix)
		}
		next.ServeHTTP(w, r)
	})
}

// jsonFormat reads and writes messages as JSON.
type jsonFormat struct {
	shorthand bool
	indent    string
}

var _ runtime.Marshaler = jsonFormat{}

// shorthand makes payloads short; the API module looks whether the key is there.
var shorthand = map[string]any{commonpb.EnablePayloadShorthandMetadataKey: true}

// Marshal writes a message.
func (j jsonFormat) Marshal(v any) ([]byte, error) {
	m, ok := v.(proto.Message)
	if !ok {
		return json.Marshal(v)
	}
	options := temporalproto.CustomJSONMarshalOptions{Indent: j.indent}
	if j.shorthand {
		options.Metadata = shorthand
	}
	return options.Marshal(m)
}

// Unmarshal reads a message. Payloads may be written short or in full.
func (j jsonFormat) Unmarshal(data []byte, v any) error {
	m, ok := v.(proto.Message)
	if !ok {
		return fmt.Errorf("%T is no message", v)
	}
	return temporalproto.CustomJSONUnmarshalOptions{Metadata: shorthand}.Unmarshal(data, m)
}

// NewDecoder reads one message from r.
func (j jsonFormat) NewDecoder(r io.Reader) runtime.Decoder {
	return runtime.DecoderFunc(func(v any) error {
		data, err := io.ReadAll(r)
		if err != nil {
			return err
		}
		if len(data) == 0 {
			return io.EOF // the gateway takes this for an empty request
		}
		return j.Unmarshal(data, v)
	})
}

// NewEncoder writes messages to w.
func (j jsonFormat) NewEncoder(w io.Writer) runtime.Encoder {
	return runtime.EncoderFunc(func(v any) error {
		data, err := j.Marshal(v)
		if err != nil {
			return err
		}
		_, err = w.Write(data)
		return err
	})
}

// ContentType is that of the answer.
func (j jsonFormat) ContentType(any) string {
	var b strings.Builder
	b.WriteString(mimeJSON)
	if j.indent != "" {
		b.WriteString(suffixPretty)
	}
	if !j.shorthand {
		b.WriteString(suffixNoShort)
	}
	return b.String()
}
