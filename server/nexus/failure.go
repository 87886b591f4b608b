package nexus

import (
	"bytes"
	"encoding/json"

	failurepb "go.temporal.io/api/failure/v1"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
)

// wireFailure is a failure of the protocol. Details hold what its own fields do not.
type wireFailure struct {
	Message    string            `json:"message,omitempty"`
	StackTrace string            `json:"stackTrace,omitempty"`
	Metadata   map[string]string `json:"metadata,omitempty"`
	Details    json.RawMessage   `json:"details,omitempty"`
	Cause      *wireFailure      `json:"cause,omitempty"`
}

// failureType names the form of the details.
var failureType = map[string]string{"type": "temporal.api.failure.v1.Failure"}

// failureContent is a failure on the wire.
func failureContent(f *failurepb.Failure) content {
	b, err := json.Marshal(wireFailureOf(f))
	if err != nil {
		panic("nexus: a failure does not marshal: " + err.Error()) // texts and JSON always do
	}
	return content{"application/json", b}
}

func wireFailureOf(f *failurepb.Failure) *wireFailure {
	if f == nil {
		return nil
	}
	rest := proto.CloneOf(f)
	rest.Message, rest.StackTrace = "", ""
	w := &wireFailure{Message: f.Message, StackTrace: f.StackTrace, Metadata: failureType, Cause: wireFailureOf(f.Cause)}
	text, err := protojson.Marshal(rest)
	if err != nil {
		panic("nexus: a stored failure does not marshal: " + err.Error()) // invalid UTF-8 is refused at the door
	}
	var compact bytes.Buffer // protojson varies its blanks on purpose
	if err := json.Compact(&compact, text); err != nil {
		panic("nexus: protojson wrote no JSON: " + err.Error())
	}
	w.Details = compact.Bytes()
	return w
}
