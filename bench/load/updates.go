package load

import (
	commandpb "go.temporal.io/api/command/v1"
	enumspb "go.temporal.io/api/enums/v1"
	protocolpb "go.temporal.io/api/protocol/v1"
	updatepb "go.temporal.io/api/update/v1"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"
)

// answerUpdates accepts and completes every update that came with a task, with a command for each message as SDKs send them.
func answerUpdates(requests []*protocolpb.Message, result string) (messages []*protocolpb.Message, commands []*commandpb.Command) {
	for _, request := range requests {
		var update updatepb.Request
		if request.Body.UnmarshalTo(&update) != nil {
			continue // not an update
		}
		accepted := message(request, "accept", &updatepb.Acceptance{
			AcceptedRequestMessageId: request.Id, AcceptedRequest: &update, AcceptedRequestSequencingEventId: request.GetEventId(),
		})
		completed := message(request, "complete", &updatepb.Response{
			Meta: update.Meta, Outcome: &updatepb.Outcome{Value: &updatepb.Outcome_Success{Success: textPayload(result)}},
		})
		messages = append(messages, accepted, completed)
		commands = append(commands, placed(accepted), placed(completed))
	}
	return messages, commands
}

func message(request *protocolpb.Message, kind string, body proto.Message) *protocolpb.Message {
	packed, err := anypb.New(body)
	if err != nil {
		panic(err) // only for a message that cannot be encoded at all
	}
	return &protocolpb.Message{Id: request.ProtocolInstanceId + "/" + kind, ProtocolInstanceId: request.ProtocolInstanceId, Body: packed}
}

// placed is the command that says where among the others a message belongs.
func placed(m *protocolpb.Message) *commandpb.Command {
	return &commandpb.Command{
		CommandType: enumspb.COMMAND_TYPE_PROTOCOL_MESSAGE,
		Attributes: &commandpb.Command_ProtocolMessageCommandAttributes{
			ProtocolMessageCommandAttributes: &commandpb.ProtocolMessageCommandAttributes{MessageId: m.Id},
		},
	}
}
