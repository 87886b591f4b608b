// Package apierr maps errors to what a client of the API sees, in one place.
//
// Services return go.temporal.io/api/serviceerror values for what a user can
// act on, sentinels of server/store for trouble with the database, and plain
// errors for everything else. The frontend turns each into a gRPC status with
// its details, exactly once.
package apierr

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"unicode/utf8"

	"go.temporal.io/api/serviceerror"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"perdure/server/store"
)

// MessageBytesMax is the longest message that is sent to a client.
const MessageBytesMax = 4000

// InvalidArgument is a mistake in a request.
func InvalidArgument(format string, args ...any) error {
	return serviceerror.NewInvalidArgumentf(format, args...)
}

// Unavailable is passing trouble: the same request may succeed in a moment.
// Clients retry it.
func Unavailable(format string, args ...any) error {
	return serviceerror.NewUnavailablef(format, args...)
}

// ToStatus maps any error to the status a client gets. It keeps the text;
// Public hides and cuts what must not leave the server.
func ToStatus(err error) *status.Status {
	if err == nil {
		return status.New(codes.OK, "")
	}
	var svc serviceerror.ServiceError
	if errors.As(err, &svc) {
		return serviceerror.ToStatus(err)
	}
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return status.New(codes.DeadlineExceeded, err.Error())
	case errors.Is(err, context.Canceled):
		return status.New(codes.Canceled, err.Error())
	case isPassing(err):
		return status.New(codes.Unavailable, err.Error())
	}
	if st, ok := status.FromError(err); ok {
		return st
	}
	return status.New(codes.Internal, err.Error())
}

// isPassing tells errors of the store that a retry gets over.
func isPassing(err error) bool {
	for _, sentinel := range []error{store.ErrLeaseLost, store.ErrConflict, store.ErrUnknownOutcome} {
		if errors.Is(err, sentinel) {
			return true
		}
	}
	return false
}

// Public returns what a client may see of a status. The text of an internal
// error stays here, under a hash by which the log can be searched; hash is
// empty when nothing was hidden.
func Public(st *status.Status) (public *status.Status, hash string) {
	message := st.Message()
	if c := st.Code(); c == codes.Internal || c == codes.Unknown {
		hash = hashOf(message)
		message = fmt.Sprintf("something went wrong, please retry (%s)", hash)
	}
	if short := cut(message); short != st.Message() {
		p := st.Proto()
		p.Message = short
		return status.FromProto(p), hash
	}
	return st, hash
}

func hashOf(text string) string {
	h := fnv.New32a()
	_, _ = h.Write([]byte(text))
	return fmt.Sprintf("%08x", h.Sum32())
}

// cutMark ends a text that was cut.
const cutMark = "... <truncated>"

// cut shortens at a character, so that the text stays valid UTF-8.
func cut(text string) string {
	if len(text) <= MessageBytesMax {
		return text
	}
	end := MessageBytesMax - len(cutMark)
	for end > 0 && !utf8.RuneStart(text[end]) {
		end--
	}
	return text[:end] + cutMark
}
