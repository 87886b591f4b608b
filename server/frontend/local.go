package frontend

import (
	"context"
	"fmt"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
)

// LocalConn is a connection to the public services inside this process. Calls
// pass the same interceptors as those from the network, but no network.
func (f *Frontend) LocalConn() grpc.ClientConnInterface {
	conn := &localConn{methods: map[string]localMethod{}, interceptor: chained(f.chain())}
	for _, s := range f.services() {
		for _, m := range s.desc.Methods {
			conn.methods["/"+s.desc.ServiceName+"/"+m.MethodName] = localMethod{m, s.implementation}
		}
	}
	return conn
}

type localMethod struct {
	desc           grpc.MethodDesc
	implementation any
}

type localConn struct {
	methods     map[string]localMethod
	interceptor grpc.UnaryServerInterceptor
}

var _ grpc.ClientConnInterface = (*localConn)(nil)

// Invoke runs a unary call. args and reply are of the method's message types;
// what the handler changes in its request does not show in args.
func (c *localConn) Invoke(ctx context.Context, method string, args, reply any, _ ...grpc.CallOption) error {
	m, known := c.methods[method]
	if !known {
		return status.Errorf(codes.Unimplemented, "unknown method %s", method)
	}
	decode := func(in any) error {
		proto.Merge(in.(proto.Message), args.(proto.Message))
		return nil
	}
	resp, err := m.desc.Handler(m.implementation, incoming(ctx), decode, c.interceptor)
	if err != nil {
		return err
	}
	to, from := reply.(proto.Message), resp.(proto.Message)
	proto.Reset(to)
	proto.Merge(to, from)
	return nil
}

// NewStream fails: the public services have no streams.
func (c *localConn) NewStream(_ context.Context, _ *grpc.StreamDesc, method string, _ ...grpc.CallOption) (grpc.ClientStream, error) {
	return nil, fmt.Errorf("%s: streams have no local connection", method)
}

// incoming turns what a client sends as metadata into what a server gets.
func incoming(ctx context.Context) context.Context {
	sent, _ := metadata.FromOutgoingContext(ctx)
	return metadata.NewIncomingContext(ctx, sent)
}

// chained makes one interceptor of several, the first outermost.
func chained(interceptors []grpc.UnaryServerInterceptor) grpc.UnaryServerInterceptor {
	return func(ctx context.Context, req any, info *grpc.UnaryServerInfo, handle grpc.UnaryHandler) (any, error) {
		for i := len(interceptors) - 1; i >= 0; i-- {
			inner, outer := handle, interceptors[i]
			handle = func(ctx context.Context, req any) (any, error) { return outer(ctx, req, info, inner) }
		}
		return handle(ctx, req)
	}
}
