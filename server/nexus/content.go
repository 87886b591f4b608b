package nexus

import (
	"strconv"

	commonpb "go.temporal.io/api/common/v1"
	"google.golang.org/protobuf/proto"
)

// content is a body and the type that tells how to read it.
type content struct {
	kind string
	body []byte
}

// contentOf is a payload on the wire: under the type that others know where it
// has one, else whole, with its metadata.
func contentOf(p *commonpb.Payload) content {
	if p == nil {
		return content{}
	}
	known := len(p.Metadata) == 1
	switch message := string(p.Metadata["messageType"]); string(p.Metadata["encoding"]) {
	case "binary/null":
		if known {
			return content{}
		}
	case "json/plain":
		if known {
			return content{"application/json", p.Data}
		}
	case "binary/plain":
		if known {
			return content{"application/octet-stream", p.Data}
		}
	case "json/protobuf":
		if isMessageName(p, message) {
			return content{"application/json; format=protobuf; message-type=" + strconv.Quote(message), p.Data}
		}
	case "binary/protobuf":
		if isMessageName(p, message) {
			return content{"application/x-protobuf; message-type=" + strconv.Quote(message), p.Data}
		}
	}
	return whole(p)
}

func whole(p *commonpb.Payload) content {
	b, err := proto.MarshalOptions{Deterministic: true}.Marshal(p)
	if err != nil {
		panic("nexus: a stored payload does not marshal: " + err.Error()) // invalid UTF-8 is refused at the door
	}
	return content{"application/x-temporal-payload", b}
}

// isMessageName tells whether the payload has no more metadata than encoding and
// a name of a message that can stand in a header.
func isMessageName(p *commonpb.Payload, name string) bool {
	if len(p.Metadata) != 2 || name == "" {
		return false
	}
	for _, c := range name {
		letter := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '_' || c == '.'
		if !letter {
			return false
		}
	}
	return true
}
