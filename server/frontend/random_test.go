package frontend_test

import (
	"context"
	"encoding/binary"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/api/operatorservice/v1"
	"go.temporal.io/api/workflowservice/v1"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"pgregory.net/rapid"
)

// TestNoRequestIsAnInternalError sends messages of any content to every RPC:
// whatever a client sends, the server has an answer for it.
func TestNoRequestIsAnInternalError(t *testing.T) {
	t.Parallel()
	b, methods := setup(t), allMethods(t)
	rapid.Check(t, func(r *rapid.T) {
		m := methods[rapid.IntRange(0, len(methods)-1).Draw(r, "method")]
		in := newMessage(t, m.Input())
		fill(r, b, in.ProtoReflect(), 4)
		if err := b.ask(t, m, in); isServersFault(err) {
			r.Fatalf("%s: %v\n%v", m.Name(), err, in)
		}
	})
}

// FuzzRequests is the same with bytes: two choose the RPC, the rest is the message.
func FuzzRequests(f *testing.F) {
	b, methods := setup(f), allMethods(f)
	for i, m := range methods {
		in := newMessage(f, m.Input())
		usual(in.ProtoReflect(), 3)
		encoded, err := proto.Marshal(in)
		require.NoError(f, err)
		f.Add(append(binary.BigEndian.AppendUint16(nil, uint16(i)), encoded...))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) < 2 {
			return
		}
		m := methods[int(binary.BigEndian.Uint16(data))%len(methods)]
		in := newMessage(t, m.Input())
		if proto.Unmarshal(data[2:], in) != nil {
			return
		}
		if err := b.ask(t, m, in); isServersFault(err) {
			t.Fatalf("%s: %v\n%v", m.Name(), err, in)
		}
	})
}

func allMethods(t testing.TB) []protoreflect.MethodDescriptor {
	t.Helper()
	var methods []protoreflect.MethodDescriptor
	for _, name := range []string{workflowservice.WorkflowService_ServiceDesc.ServiceName, operatorservice.OperatorService_ServiceDesc.ServiceName} {
		d, err := protoregistry.GlobalFiles.FindDescriptorByName(protoreflect.FullName(name))
		require.NoError(t, err)
		all := d.(protoreflect.ServiceDescriptor).Methods()
		for i := range all.Len() {
			methods = append(methods, all.Get(i))
		}
	}
	return methods
}

func (b *bundle) ask(t testing.TB, m protoreflect.MethodDescriptor, in proto.Message) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	return b.frontend.LocalConn().Invoke(ctx, "/"+string(m.Parent().FullName())+"/"+string(m.Name()), in, newMessage(t, m.Output()))
}

func isServersFault(err error) bool {
	code := status.Code(err)
	return code == codes.Internal || code == codes.Unknown
}

// usual fills a message as a client might, down to a depth.
func usual(m protoreflect.Message, depth int) {
	fields := m.Descriptor().Fields()
	for i := range fields.Len() {
		switch f := fields.Get(i); {
		case f.IsMap(), f.IsList():
		case f.Kind() == protoreflect.MessageKind && depth > 0:
			usual(m.Mutable(f).Message(), depth-1)
		case f.Kind() == protoreflect.StringKind && f.Name() == "namespace":
			m.Set(f, protoreflect.ValueOfString("default"))
		case f.Kind() == protoreflect.StringKind && f.Name() != "run_id" && f.Name() != "query":
			m.Set(f, protoreflect.ValueOfString("name"))
		}
	}
}

// fill sets some fields of a message, down to a depth.
func fill(r *rapid.T, b *bundle, m protoreflect.Message, depth int) {
	fields := m.Descriptor().Fields()
	for i := range fields.Len() {
		f := fields.Get(i)
		if f.ContainingOneof() != nil && !rapid.Bool().Draw(r, "oneof") {
			continue
		}
		switch {
		case rapid.IntRange(0, 3).Draw(r, "set") == 0:
		case f.IsMap():
			fillMap(r, b, m.Mutable(f).Map(), f, depth)
		case f.IsList():
			list := m.Mutable(f).List()
			for range rapid.IntRange(0, 2).Draw(r, "length") {
				list.Append(element(r, b, f, list.NewElement, depth))
			}
		default:
			m.Set(f, element(r, b, f, func() protoreflect.Value { return m.NewField(f) }, depth))
		}
	}
}

func fillMap(r *rapid.T, b *bundle, m protoreflect.Map, f protoreflect.FieldDescriptor, depth int) {
	for range rapid.IntRange(0, 2).Draw(r, "entries") {
		key := element(r, b, f.MapKey(), nil, depth).MapKey()
		m.Set(key, element(r, b, f.MapValue(), m.NewValue, depth))
	}
}

func element(r *rapid.T, b *bundle, f protoreflect.FieldDescriptor, message func() protoreflect.Value, depth int) protoreflect.Value {
	switch f.Kind() {
	case protoreflect.MessageKind, protoreflect.GroupKind:
		v := message()
		if depth > 0 {
			fill(r, b, v.Message(), depth-1)
		}
		return v
	case protoreflect.StringKind:
		return protoreflect.ValueOfString(someText(r, b, string(f.Name())))
	case protoreflect.BytesKind:
		return protoreflect.ValueOfBytes(someBytes(r, b, string(f.Name())))
	case protoreflect.BoolKind:
		return protoreflect.ValueOfBool(rapid.Bool().Draw(r, "bool"))
	case protoreflect.EnumKind:
		return protoreflect.ValueOfEnum(protoreflect.EnumNumber(rapid.Int32Range(-1, 12).Draw(r, "enum")))
	case protoreflect.FloatKind:
		return protoreflect.ValueOfFloat32(rapid.Float32().Draw(r, "float"))
	case protoreflect.DoubleKind:
		return protoreflect.ValueOfFloat64(rapid.Float64().Draw(r, "double"))
	case protoreflect.Int32Kind, protoreflect.Sint32Kind, protoreflect.Sfixed32Kind:
		return protoreflect.ValueOfInt32(rapid.Int32().Draw(r, "int32"))
	case protoreflect.Uint32Kind, protoreflect.Fixed32Kind:
		return protoreflect.ValueOfUint32(rapid.Uint32().Draw(r, "uint32"))
	case protoreflect.Uint64Kind, protoreflect.Fixed64Kind:
		return protoreflect.ValueOfUint64(rapid.Uint64().Draw(r, "uint64"))
	default:
		return protoreflect.ValueOfInt64(rapid.Int64().Draw(r, "int64"))
	}
}

// someText is more often useful than not: otherwise requests would end at the first check.
func someText(r *rapid.T, b *bundle, field string) string {
	switch field {
	case "namespace":
		return rapid.SampledFrom([]string{"default", "default", "default", "", "nope"}).Draw(r, field)
	case "run_id":
		return rapid.SampledFrom([]string{"", b.ns.ID, "not-a-uuid"}).Draw(r, field)
	case "query":
		return rapid.SampledFrom([]string{"", "WorkflowId = 'x'", "GROUP BY ExecutionStatus", "(", "StartTime > 'now'"}).Draw(r, field)
	}
	return rapid.OneOf(rapid.Just("name"), rapid.StringN(0, 12, -1), rapid.Just(strings.Repeat("x", 1001))).Draw(r, field)
}

func someBytes(r *rapid.T, b *bundle, field string) []byte {
	if field == "task_token" {
		return rapid.SampledFrom([][]byte{b.token(), b.token(), nil, {1}}).Draw(r, field)
	}
	return rapid.SliceOfN(rapid.Byte(), 0, 8).Draw(r, field)
}
