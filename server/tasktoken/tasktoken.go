// Package tasktoken is the opaque token that a worker gets with a task and
// sends back with its answer.
package tasktoken

import (
	"errors"

	"google.golang.org/protobuf/encoding/protowire"
)

// Token tells which attempt of which task an answer belongs to.
type Token struct {
	NamespaceID      string
	WorkflowID       string
	RunID            string
	Slot             int32
	Exec             int64
	ScheduledEventID int64
	StartedEventID   int64
	// Stamp is the identity of the started attempt: an answer with another stamp is stale.
	Stamp      int64
	Attempt    int32
	ActivityID string
	QueryID    string // set for query tasks only
	TaskQueue  string // set for query tasks only
}

// ErrMalformed tells that bytes are not a token of ours.
var ErrMalformed = errors.New("malformed task token")

const formatVersion = 1

// Encode writes the token.
func (t Token) Encode() []byte {
	b := make([]byte, 0, 160)
	b = number(b, 1, formatVersion)
	b = text(b, 2, t.NamespaceID)
	b = text(b, 3, t.WorkflowID)
	b = text(b, 4, t.RunID)
	b = number(b, 5, int64(t.Slot))
	b = number(b, 6, t.Exec)
	b = number(b, 7, t.ScheduledEventID)
	b = number(b, 8, t.StartedEventID)
	b = number(b, 9, t.Stamp)
	b = number(b, 10, int64(t.Attempt))
	b = text(b, 11, t.ActivityID)
	b = text(b, 12, t.QueryID)
	return text(b, 13, t.TaskQueue)
}

func number(b []byte, field protowire.Number, v int64) []byte {
	if v == 0 {
		return b
	}
	return protowire.AppendVarint(protowire.AppendTag(b, field, protowire.VarintType), uint64(v))
}

func text(b []byte, field protowire.Number, v string) []byte {
	if v == "" {
		return b
	}
	return protowire.AppendString(protowire.AppendTag(b, field, protowire.BytesType), v)
}

// Decode reads a token. ErrMalformed when the bytes are not one.
func Decode(b []byte) (Token, error) {
	var t Token
	version := uint64(0)
	for len(b) > 0 {
		field, kind, n := protowire.ConsumeTag(b)
		if n < 0 {
			return Token{}, ErrMalformed
		}
		b = b[n:]
		switch kind {
		case protowire.VarintType:
			v, n := protowire.ConsumeVarint(b)
			if n < 0 {
				return Token{}, ErrMalformed
			}
			b = b[n:]
			if field == 1 {
				version = v
			} else if !t.setNumber(field, int64(v)) {
				return Token{}, ErrMalformed
			}
		case protowire.BytesType:
			v, n := protowire.ConsumeBytes(b)
			if n < 0 || !t.setText(field, string(v)) {
				return Token{}, ErrMalformed
			}
			b = b[n:]
		default:
			return Token{}, ErrMalformed
		}
	}
	if version != formatVersion || t.NamespaceID == "" {
		return Token{}, ErrMalformed
	}
	return t, nil
}

func (t *Token) setNumber(field protowire.Number, v int64) bool {
	switch field {
	case 5:
		t.Slot = int32(v)
	case 6:
		t.Exec = v
	case 7:
		t.ScheduledEventID = v
	case 8:
		t.StartedEventID = v
	case 9:
		t.Stamp = v
	case 10:
		t.Attempt = int32(v)
	default:
		return false
	}
	return true
}

func (t *Token) setText(field protowire.Number, v string) bool {
	switch field {
	case 2:
		t.NamespaceID = v
	case 3:
		t.WorkflowID = v
	case 4:
		t.RunID = v
	case 11:
		t.ActivityID = v
	case 12:
		t.QueryID = v
	case 13:
		t.TaskQueue = v
	default:
		return false
	}
	return true
}
