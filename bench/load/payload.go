package load

import commonpb "go.temporal.io/api/common/v1"

// largePayloadBytes is the input and the result of a workflow of large-payload.
const largePayloadBytes = 64 << 10

// largePayload does not repeat itself much: a server may compress.
func largePayload() *commonpb.Payloads {
	data := make([]byte, largePayloadBytes)
	for i := range data {
		data[i] = byte(i*2654435761>>16) | 1
	}
	return payloadOf(data)
}

func textPayload(text string) *commonpb.Payloads { return payloadOf([]byte(text)) }

func payloadOf(data []byte) *commonpb.Payloads {
	return &commonpb.Payloads{Payloads: []*commonpb.Payload{{Metadata: map[string][]byte{"encoding": []byte("binary/plain")}, Data: data}}}
}
