package frontend

import (
	"context"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/encoding"
	"google.golang.org/grpc/encoding/proto"
	"google.golang.org/grpc/mem"
	"google.golang.org/grpc/status"
)

// A request that cannot be decoded, such as one with invalid UTF-8, is answered
// INTERNAL with the words that clients know. The gRPC library has its own words,
// which change with its releases, and sends them before anyone can say others.
// So the codec never fails for our services: it leaves the error beside the
// message, and the method answers it.

// envelope is a request on its way through the codec.
type envelope struct {
	message any
	err     error
}

// lenientCodec is the usual codec but for envelopes.
type lenientCodec struct{ encoding.CodecV2 }

func newLenientCodec() encoding.CodecV2 { return lenientCodec{encoding.GetCodecV2(proto.Name)} }

func (c lenientCodec) Unmarshal(data mem.BufferSlice, v any) error {
	e, ok := v.(*envelope)
	if !ok {
		return c.CodecV2.Unmarshal(data, v)
	}
	e.err = c.CodecV2.Unmarshal(data, e.message)
	return nil
}

// decodeLeniently returns desc with methods that read envelopes.
func decodeLeniently(desc *grpc.ServiceDesc) *grpc.ServiceDesc {
	lenient := *desc
	lenient.Methods = make([]grpc.MethodDesc, len(desc.Methods))
	for i, m := range desc.Methods {
		handle := m.Handler
		m.Handler = func(srv any, ctx context.Context, decode func(any) error, interceptor grpc.UnaryServerInterceptor) (any, error) {
			return handle(srv, ctx, func(in any) error { return openEnvelope(in, decode) }, interceptor)
		}
		lenient.Methods[i] = m
	}
	return &lenient
}

func openEnvelope(in any, decode func(any) error) error {
	e := &envelope{message: in}
	if err := decode(e); err != nil {
		return err
	}
	if e.err != nil {
		return status.Errorf(codes.Internal, "grpc: error unmarshalling request: %v", e.err)
	}
	return nil
}
