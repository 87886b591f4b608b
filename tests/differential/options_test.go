package differential

import (
	"math/rand/v2"

	commonpb "go.temporal.io/api/common/v1"
	deploymentpb "go.temporal.io/api/deployment/v1"
	enumspb "go.temporal.io/api/enums/v1"
	workflowpb "go.temporal.io/api/workflow/v1"
	"google.golang.org/protobuf/types/known/fieldmaskpb"
)

// attributes are registered on both servers before the first plan.
var attributes = map[string]enumspb.IndexedValueType{
	"DiffWord": enumspb.INDEXED_VALUE_TYPE_KEYWORD, "DiffNumber": enumspb.INDEXED_VALUE_TYPE_INT, "DiffShare": enumspb.INDEXED_VALUE_TYPE_DOUBLE,
	"DiffFlag": enumspb.INDEXED_VALUE_TYPE_BOOL, "DiffTime": enumspb.INDEXED_VALUE_TYPE_DATETIME, "DiffWords": enumspb.INDEXED_VALUE_TYPE_KEYWORD_LIST,
}

// searchAttributes sets some, now and then one to what it cannot be, or one that is not there.
func searchAttributes(random *rand.Rand) *commonpb.SearchAttributes {
	fields := map[string]*commonpb.Payload{}
	for range 1 + random.IntN(2) {
		name := pick(random, "DiffWord", "DiffNumber", "DiffShare", "DiffFlag", "DiffTime", "DiffWords", "TemporalChangeVersion")
		text := map[string][]string{
			"DiffWord": {`"a"`, `"b"`, `null`, `""`}, "DiffNumber": {"1", "-7", "null", `[]`}, "DiffShare": {"0.5", "2", "null"}, "DiffFlag": {"true", "false", "null"},
			"DiffTime": {`"2024-02-03T04:05:06.789Z"`, `null`}, "DiffWords": {`["a","b"]`, `"a"`, `[]`, `null`}, "TemporalChangeVersion": {`["a-1"]`, `["a-1","b-2"]`, `[]`},
		}[name]
		fields[name] = attribute(pick(random, text...), "")
		if random.IntN(2) == 0 {
			fields[name] = attribute(pick(random, text...), attributeType(name))
		}
	}
	switch random.IntN(14) {
	case 0:
		return &commonpb.SearchAttributes{IndexedFields: map[string]*commonpb.Payload{"Nope": attribute(`"a"`, "")}}
	case 1:
		return &commonpb.SearchAttributes{IndexedFields: map[string]*commonpb.Payload{pick(random, "DiffNumber", "DiffFlag", "DiffTime"): attribute(`"a"`, "")}}
	}
	return &commonpb.SearchAttributes{IndexedFields: fields}
}

func attributeType(name string) string {
	if t, known := attributes[name]; known {
		return t.String()
	}
	return enumspb.INDEXED_VALUE_TYPE_KEYWORD_LIST.String()
}

func attribute(text, kind string) *commonpb.Payload {
	p := &commonpb.Payload{Metadata: map[string][]byte{"encoding": []byte("json/plain")}, Data: []byte(text)}
	if kind != "" {
		p.Metadata["type"] = []byte(kind)
	}
	return p
}

// memo sets fields and, by null, removes one.
func memo(random *rand.Rand) *commonpb.Memo {
	fields := map[string]*commonpb.Payload{pick(random, "note", "more"): payload("changed")}
	if random.IntN(2) == 0 {
		fields["other"] = &commonpb.Payload{Metadata: map[string][]byte{"encoding": []byte("binary/null")}}
	}
	return &commonpb.Memo{Fields: fields}
}

func links() []*commonpb.Link {
	return []*commonpb.Link{{Variant: &commonpb.Link_WorkflowEvent_{WorkflowEvent: &commonpb.Link_WorkflowEvent{
		Namespace: namespace, WorkflowId: "caller", RunId: "00000000-0000-4000-8000-000000000001",
		Reference: &commonpb.Link_WorkflowEvent_EventRef{EventRef: &commonpb.Link_WorkflowEvent_EventReference{
			EventId: 7, EventType: enumspb.EVENT_TYPE_WORKFLOW_TASK_COMPLETED,
		}},
	}}}}
}

// override follows the queue, or now and then is pinned to a version that is not there.
func override(random *rand.Rand) *workflowpb.VersioningOverride {
	if random.IntN(4) > 0 {
		return &workflowpb.VersioningOverride{Override: &workflowpb.VersioningOverride_AutoUpgrade{AutoUpgrade: true}}
	}
	return &workflowpb.VersioningOverride{Override: &workflowpb.VersioningOverride_Pinned{Pinned: &workflowpb.VersioningOverride_PinnedOverride{
		Behavior: workflowpb.VersioningOverride_PINNED_OVERRIDE_BEHAVIOR_PINNED,
		Version:  &deploymentpb.WorkerDeploymentVersion{DeploymentName: "nobody", BuildId: "one"},
	}}}
}

// afterReset are calls that a reset makes on its new run. A signal is refused, by a reset that is right otherwise: which of two
// mistakes is told is open.
func afterReset(mayBeWrong bool, random *rand.Rand) []*workflowpb.PostResetOperation {
	signal := &workflowpb.PostResetOperation{Variant: &workflowpb.PostResetOperation_SignalWorkflow_{SignalWorkflow: &workflowpb.PostResetOperation_SignalWorkflow{
		SignalName: "after", Input: payloads("signal"), Header: header(), Links: pick(random, nil, links()),
	}}}
	options := &workflowpb.PostResetOperation{Variant: &workflowpb.PostResetOperation_UpdateWorkflowOptions_{
		UpdateWorkflowOptions: &workflowpb.PostResetOperation_UpdateWorkflowOptions{
			WorkflowExecutionOptions: &workflowpb.WorkflowExecutionOptions{
				VersioningOverride: &workflowpb.VersioningOverride{Override: &workflowpb.VersioningOverride_AutoUpgrade{AutoUpgrade: true}},
			},
			UpdateMask: &fieldmaskpb.FieldMask{Paths: []string{"versioning_override"}},
		},
	}}
	if mayBeWrong && random.IntN(3) == 0 {
		return []*workflowpb.PostResetOperation{signal, options}
	}
	return []*workflowpb.PostResetOperation{options}
}

func priority(random *rand.Rand) *commonpb.Priority {
	return &commonpb.Priority{PriorityKey: int32(1 + random.IntN(5)), FairnessKey: pick(random, "", "fair"), FairnessWeight: 1}
}
