package main

import (
	"fmt"
	"io"
	"strings"
	"time"

	commonpb "go.temporal.io/api/common/v1"
	failurepb "go.temporal.io/api/failure/v1"
	historypb "go.temporal.io/api/history/v1"
	taskqueuepb "go.temporal.io/api/taskqueue/v1"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/durationpb"
)

// valueRunes is how much of one value is shown.
const valueRunes = 72

// tellingFields are the attributes a reader looks for, in the order shown; most events have one to three of them.
var tellingFields = []protoreflect.Name{
	"workflow_type", "activity_type", "activity_id", "timer_id", "signal_name", "workflow_id", "workflow_execution",
	"attempt", "last_failure", "failure", "accepted_request", "input", "result", "outcome", "start_to_fire_timeout",
	"task_queue", "cause", "reason", "cron_schedule", "new_execution_run_id", "details",
}

// PrintHistory writes one line an event: seconds since the start, number, name and the telling attributes.
func PrintHistory(out io.Writer, events []*historypb.HistoryEvent) {
	if len(events) == 0 {
		return
	}
	start := events[0].GetEventTime().AsTime()
	for _, event := range events {
		offset := event.GetEventTime().AsTime().Sub(start).Seconds()
		line := fmt.Sprintf("  %8.3fs %3d  %-36s %s", offset, event.GetEventId(), event.GetEventType(), telling(event))
		fmt.Fprintln(out, strings.TrimRight(line, " "))
	}
}

// telling is the attributes of an event as "name value" pairs. Empty ones and a first attempt say nothing and are left out.
func telling(event *historypb.HistoryEvent) string {
	attributes := attributesOf(event)
	if attributes == nil {
		return ""
	}
	var parts []string
	for _, name := range tellingFields {
		field := attributes.Descriptor().Fields().ByName(name)
		if field == nil || !attributes.Has(field) {
			continue
		}
		if text := describe(field, attributes.Get(field)); text != "" {
			parts = append(parts, text)
		}
	}
	return strings.Join(parts, "  ")
}

// attributesOf is the message in the event's oneof, which every event type fills with its own.
func attributesOf(event *historypb.HistoryEvent) protoreflect.Message {
	message := event.ProtoReflect()
	set := message.WhichOneof(message.Descriptor().Oneofs().ByName("attributes"))
	if set == nil {
		return nil
	}
	return message.Get(set).Message()
}

func describe(field protoreflect.FieldDescriptor, value protoreflect.Value) string {
	label := strings.ReplaceAll(string(field.Name()), "_", " ")
	switch field.Kind() {
	case protoreflect.MessageKind:
		if field.IsList() || field.IsMap() {
			return ""
		}
		if text := messageText(value.Message().Interface()); text != "" {
			return labelled(label, text)
		}
		return ""
	case protoreflect.EnumKind:
		name := field.Enum().Values().ByNumber(value.Enum()).Name()
		return labelled(label, strings.ToLower(string(name)))
	default:
		if text := value.String(); text != "1" || field.Name() != "attempt" {
			return labelled(label, text)
		}
		return ""
	}
}

// labelled leaves the label out where the value speaks for itself.
func labelled(label, text string) string {
	switch label {
	case "workflow type", "activity type", "signal name":
		return text
	default:
		return label + " " + shorten(text)
	}
}

func messageText(message proto.Message) string {
	switch m := message.(type) {
	case *commonpb.WorkflowType:
		return m.GetName()
	case *commonpb.ActivityType:
		return m.GetName()
	case *commonpb.WorkflowExecution:
		return m.GetWorkflowId()
	case *taskqueuepb.TaskQueue:
		if m.GetNormalName() != "" {
			return m.GetNormalName() + " (sticky)"
		}
		return m.GetName()
	case *durationpb.Duration:
		return m.AsDuration().Round(time.Millisecond).String()
	case *failurepb.Failure:
		return failureText(m)
	case *commonpb.Payloads:
		return payloadsText(m)
	default:
		return nestedText(message)
	}
}

// nestedText shows the payloads and failures inside a message such as an update's request or outcome.
func nestedText(message proto.Message) string {
	var parts []string
	reflected := message.ProtoReflect()
	fields := reflected.Descriptor().Fields()
	for i := range fields.Len() {
		field := fields.Get(i)
		switch {
		case !reflected.Has(field) || field.IsList() || field.IsMap():
		case field.Kind() == protoreflect.MessageKind:
			parts = append(parts, messageText(reflected.Get(field).Message().Interface()))
		case field.Name() == "name":
			parts = append(parts, reflected.Get(field).String())
		}
	}
	return strings.TrimSpace(strings.Join(parts, " "))
}

// failureText is the chain of messages, outermost first.
func failureText(failure *failurepb.Failure) string {
	var parts []string
	for ; failure != nil; failure = failure.GetCause() {
		if failure.GetMessage() != "" {
			parts = append(parts, failure.GetMessage())
		}
	}
	return fmt.Sprintf("%q", strings.Join(parts, ": "))
}

func payloadsText(payloads *commonpb.Payloads) string {
	var parts []string
	for _, payload := range payloads.GetPayloads() {
		if encoding := string(payload.GetMetadata()["encoding"]); strings.HasPrefix(encoding, "json/") {
			parts = append(parts, string(payload.GetData()))
		} else {
			parts = append(parts, fmt.Sprintf("%s of %d bytes", encoding, len(payload.GetData())))
		}
	}
	return strings.Join(parts, ", ")
}

func shorten(text string) string {
	if runes := []rune(text); len(runes) > valueRunes {
		return string(runes[:valueRunes-1]) + "…"
	}
	return text
}
