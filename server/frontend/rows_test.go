package frontend_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/errordetails/v1"
	"go.temporal.io/api/operatorservice/v1"
	"go.temporal.io/api/workflowservice/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/mem"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/known/anypb"

	"perdure/server/tasktoken"
	"perdure/visibility/attr"
)

// row is one recorded call: what the public dev server answered to it.
type row struct {
	ID      string           `json:"id"`
	Setup   []map[string]any `json:"setup"`
	RPC     string           `json:"rpc"`
	Request map[string]any   `json:"request"`
	Opts    struct {
		DeadlineSeconds float64           `json:"deadline"`
		Headers         map[string]string `json:"headers"`
	} `json:"opts"`
	Code    string           `json:"code"`
	Message string           `json:"message"`
	Details []map[string]any `json:"details"`
	// Response is there when a row shows it.
	Response map[string]any `json:"response"`
}

func readRows(t *testing.T, file string) []row {
	t.Helper()
	opened, err := os.Open("../../internal/apitest/testdata/api/" + file)
	require.NoError(t, err)
	defer func() { require.NoError(t, opened.Close()) }()
	var rows []row
	lines := bufio.NewScanner(opened)
	lines.Buffer(nil, 16<<20)
	for lines.Scan() {
		var r row
		require.NoError(t, json.Unmarshal(lines.Bytes(), &r))
		rows = append(rows, r)
	}
	require.NoError(t, lines.Err())
	return rows
}

// servedMethods are the RPCs whose rows are played here: all that the frontend answers or hands on.
var servedMethods = strings.Fields(`
	RegisterNamespace DescribeNamespace ListNamespaces UpdateNamespace DeprecateNamespace
	StartWorkflowExecution ExecuteMultiOperation SignalWorkflowExecution SignalWithStartWorkflowExecution
	RequestCancelWorkflowExecution TerminateWorkflowExecution DescribeWorkflowExecution QueryWorkflow
	GetWorkflowExecutionHistory GetWorkflowExecutionHistoryReverse ResetStickyTaskQueue
	UpdateWorkflowExecution PollWorkflowExecutionUpdate
	PollWorkflowTaskQueue RespondWorkflowTaskCompleted RespondWorkflowTaskFailed
	PollActivityTaskQueue RecordActivityTaskHeartbeat RecordActivityTaskHeartbeatById
	RespondActivityTaskCompleted RespondActivityTaskCompletedById RespondActivityTaskFailed RespondActivityTaskFailedById
	RespondActivityTaskCanceled RespondActivityTaskCanceledById RespondQueryTaskCompleted
	ListWorkflowExecutions ScanWorkflowExecutions CountWorkflowExecutions ListOpenWorkflowExecutions
	ListClosedWorkflowExecutions ListArchivedWorkflowExecutions
	DescribeTaskQueue ListTaskQueuePartitions UpdateTaskQueueConfig ShutdownWorker
	RecordWorkerHeartbeat ListWorkers CountWorkers DescribeWorker FetchWorkerConfig UpdateWorkerConfig
	UpdateWorkerBuildIdCompatibility GetWorkerBuildIdCompatibility UpdateWorkerVersioningRules GetWorkerVersioningRules GetWorkerTaskReachability
	ResetWorkflowExecution DeleteWorkflowExecution UpdateWorkflowExecutionOptions
	PauseActivity UnpauseActivity ResetActivity UpdateActivityOptions
	PauseActivityExecution UnpauseActivityExecution ResetActivityExecution UpdateActivityExecutionOptions
	PauseWorkflowExecution UnpauseWorkflowExecution DeleteNamespace
	DescribeWorkerDeployment DescribeWorkerDeploymentVersion ListWorkerDeployments
	SetWorkerDeploymentCurrentVersion SetWorkerDeploymentRampingVersion DeleteWorkerDeployment
	AddSearchAttributes RemoveSearchAttributes ListSearchAttributes`)

// decidedBehind matches recorded errors that depend on the state of an
// execution: here it is right to hand the request on.
var decidedBehind = regexp.MustCompile(`^(workflow not found|workflow execution |Workflow execution |Workflow task not found|cannot find pending activity|` +
	`invalid activityID|update ".*" not found|unable to mark activity|limit on number of concurrent|Unable to query workflow|` +
	`Can't find pending activity|Workflow task finish ID|StateRebuilder|invalid StartToCloseTimeout|MaximumAttempts cannot|missing task queue name|invalid command sequence|unknown command type|nil message body|Bad[A-Z]\w+: |Invalid NextPageToken\.|RunId in the request does not match)`)

// childOfUnknownNamespace is decided by history too, with the words of the frontend.
const childOfUnknownNamespace = "command-child-unknown-ns"

// departures are rows that are answered differently on purpose; docs/compatibility.md says why.
var departures = map[string]struct {
	code    string
	message string
	detail  string // its type; none when empty
}{
	"reset-type-unknown":           {"INVALID_ARGUMENT", "unknown reset reapply type: 77", ""},
	"reset-post-options-nomask":    {"INVALID_ARGUMENT", "UpdateMask is required", ""},
	"visibility-bad-token":         {"INVALID_ARGUMENT", "Invalid NextPageToken.", ""},
	"visibility-open-bad-token":    {"INVALID_ARGUMENT", "Invalid NextPageToken.", ""},
	"visibility-scan-bad-token":    {"INVALID_ARGUMENT", "Invalid NextPageToken.", ""},
	"namespace-list-negative":      {"OK", "", ""},
	"visibility-bad-int":           {"INVALID_ARGUMENT", anyWords, ""},
	"visibility-bool-bad":          {"INVALID_ARGUMENT", anyWords, ""},
	"visibility-order-by":          {"OK", "", ""},
	"visibility-not-op":            {"OK", "", ""},
	"visibility-count-group-type":  {"OK", "", ""},
	"visibility-count-group-two":   {"OK", "", ""},
	"visibility-count-group-start": {"OK", "", ""},
	"misc-workers-bad-query":       {"INVALID_ARGUMENT", "invalid query: invalid search attribute: Nope", ""},
	"misc-worker-unknown":          {"NOT_FOUND", "Worker zz not found", notFoundDetail},
	"misc-deployments-bad-token":   {"INVALID_ARGUMENT", "Invalid NextPageToken.", ""},
	"misc-worker-none":             {"NOT_FOUND", "Worker  not found", notFoundDetail},
}

const notFoundDetail = "temporal.api.errordetails.v1.NotFoundFailure"

// anyWords stands for words that the filter language chooses.
const anyWords = "*"

// otherWords are rows about the filter language, which has words of its own
// where the recorded ones tell of the public server's inside; the code must be equal.
var otherWords = []string{
	"visibility-unknown-attr", "visibility-count-group-unknown", "visibility-unquoted",
	"visibility-text-order", "visibility-neq-null",
}

// TestRecordedRows plays what was recorded, with nothing behind the frontend.
// Rows that depend on an execution's state must be handed on, all others must
// be answered equally.
func TestRecordedRows(t *testing.T) {
	t.Parallel()
	b := setup(t)
	require.NoError(t, b.namespaces.AddSearchAttributes(context.Background(), "default", attr.Types{
		"ErrInt": enumspb.INDEXED_VALUE_TYPE_INT, "ErrKw": enumspb.INDEXED_VALUE_TYPE_KEYWORD, "ErrBool": enumspb.INDEXED_VALUE_TYPE_BOOL,
		"ErrDt": enumspb.INDEXED_VALUE_TYPE_DATETIME, "ErrKwl": enumspb.INDEXED_VALUE_TYPE_KEYWORD_LIST, "ErrTxt": enumspb.INDEXED_VALUE_TYPE_TEXT,
	}))
	played, handedOn := 0, 0
	for _, r := range readRows(t, "errors.jsonl") {
		if !slices.Contains(servedMethods, r.RPC) {
			continue
		}
		played++
		t.Run(r.ID, func(t *testing.T) {
			if b.play(t, r) {
				handedOn++
			}
		})
	}
	require.Greater(t, played, 500)
	t.Logf("%d rows, of which %d were handed on", played, handedOn)
}

// play makes the call of a row and checks the answer; it tells whether the call was handed on.
func (b *bundle) play(t *testing.T, r row) (handedOn bool) {
	e := &expander{t: t, vars: map[string]any{"u": "u" + uuid.NewString()[:8], "ns": "default"}}
	b.prepare(t, e, r.Setup)
	got := b.call(t, r.RPC, e.expand(r.Request).(map[string]any), r.Opts.Headers, r.Opts.DeadlineSeconds)
	if got.Code() == codes.DataLoss {
		requireHandedOn(t, r, got)
		return true
	}
	if r.Code == "DEADLINE_EXCEEDED" {
		require.Equal(t, r.Code, "handed on", "this should wait behind the frontend, got %v", got)
	}
	want, details := r.Code, r.Details
	message := r.Message
	if d, ok := departures[r.ID]; ok {
		want, message, details = d.code, d.message, nil
		if d.detail != "" {
			details = []map[string]any{{"type": d.detail}}
		}
	}
	require.Equal(t, want, codeName(got.Code()), "message: %s", got.Message())
	sizeVaries := strings.HasPrefix(message, "grpc: received message larger") // it counts the unique part of names
	if !sizeVaries && message != anyWords && !slices.Contains(otherWords, r.ID) {
		require.Equal(t, message, withoutPlace(normal(e, got.Message())))
	}
	requireDetails(t, e, details, got)
	return false
}

// place is what errors about filters have behind the recorded words.
var place = regexp.MustCompile(`^(invalid query: .*) \(byte \d+.*\)$`)

func withoutPlace(message string) string { return place.ReplaceAllString(message, "$1") }

func requireHandedOn(t *testing.T, r row, got *status.Status) {
	t.Helper()
	if r.Code == "OK" || r.Code == "DEADLINE_EXCEEDED" || r.ID == childOfUnknownNamespace {
		return
	}
	message := r.Message
	if message == "Update-with-Start could not be executed." {
		statuses := r.Details[0]["statuses"].([]any)
		message = statuses[0].(map[string]any)["message"].(string)
	}
	require.Regexp(t, decidedBehind, message, "the frontend should have refused this with %s", r.Code)
}

// prepare does the steps that concern namespaces, and makes up what the others would have left.
func (b *bundle) prepare(t *testing.T, e *expander, steps []map[string]any) {
	token := tasktoken.Token{NamespaceID: b.ns.ID, WorkflowID: "w", RunID: uuid.NewString(), ScheduledEventID: 2}
	task := map[string]any{"taskToken": base64.StdEncoding.EncodeToString(token.Encode())}
	e.vars["t"], e.vars["a"] = task, task
	e.vars["s"] = map[string]any{"runId": uuid.NewString()}
	e.vars["h1"] = map[string]any{"nextPageToken": "AQID"}
	for _, step := range steps {
		switch step["call"] {
		case "RegisterNamespace", "AddSearchAttributes":
			got := b.call(t, step["call"].(string), e.expand(step["req"]).(map[string]any), nil, 0)
			require.Equal(t, codes.OK, got.Code(), got.Message())
		}
	}
}

// call makes one RPC by name.
func (b *bundle) call(t *testing.T, rpc string, request map[string]any, headers map[string]string, deadlineSeconds float64) *status.Status {
	t.Helper()
	method, in, out := methodOf(t, rpc)
	data, err := json.Marshal(request)
	require.NoError(t, err)
	require.NoError(t, protojson.UnmarshalOptions{}.Unmarshal(data, in), rpc)
	if deadlineSeconds == 0 {
		deadlineSeconds = 30
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Duration(deadlineSeconds*float64(time.Second)))
	defer cancel()
	ctx = metadata.NewOutgoingContext(ctx, metadata.New(headers))
	err = b.conn.Invoke(ctx, method, in, out, grpc.ForceCodecV2(rawTexts{}))
	return status.Convert(err)
}

// methodOf finds an RPC by its short name, in the workflow service first.
func methodOf(t *testing.T, rpc string) (path string, in, out proto.Message) {
	t.Helper()
	for _, service := range []string{workflowservice.WorkflowService_ServiceDesc.ServiceName, operatorservice.OperatorService_ServiceDesc.ServiceName} {
		d, err := protoregistry.GlobalFiles.FindDescriptorByName(protoreflect.FullName(service))
		require.NoError(t, err)
		if m := d.(protoreflect.ServiceDescriptor).Methods().ByName(protoreflect.Name(rpc)); m != nil {
			return "/" + service + "/" + rpc, newMessage(t, m.Input()), newMessage(t, m.Output())
		}
	}
	require.Fail(t, "unknown RPC", rpc)
	return "", nil, nil
}

func newMessage(t testing.TB, d protoreflect.MessageDescriptor) proto.Message {
	t.Helper()
	kind, err := protoregistry.GlobalTypes.FindMessageByName(d.FullName())
	require.NoError(t, err)
	return kind.New().Interface()
}

// rawTexts is the usual codec, but puts bytes that are no text where a row wants them.
type rawTexts struct{}

func (rawTexts) Marshal(v any) (mem.BufferSlice, error) {
	data, err := proto.Marshal(v.(proto.Message))
	if err != nil {
		return nil, err
	}
	bad := append([]byte("\xff\xfe\xfd"), bytes.Repeat([]byte("z"), len(badUTF8)-3)...)
	return mem.BufferSlice{mem.SliceBuffer(bytes.ReplaceAll(data, []byte(badUTF8), bad))}, nil
}

func (rawTexts) Unmarshal(data mem.BufferSlice, v any) error {
	return proto.Unmarshal(data.Materialize(), v.(proto.Message))
}

func (rawTexts) Name() string { return "proto" }

var aTime = regexp.MustCompile(`\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:\.\d+)?(?:Z| \+0000 UTC|[+-]\d\d:\d\d)`)

// normal writes a text as the rows do: names without their unique part, times and long repetitions by a sign.
func normal(e *expander, text string) string {
	text = strings.ReplaceAll(text, e.vars["u"].(string), "$U")
	text = aTime.ReplaceAllString(text, "$$TIME")
	var b strings.Builder
	runes := []rune(text)
	for i := 0; i < len(runes); {
		j := i
		for j < len(runes) && runes[j] == runes[i] {
			j++
		}
		if j-i >= 100 {
			fmt.Fprintf(&b, "$REPEAT(%c,%d)", runes[i], j-i)
		} else {
			b.WriteString(string(runes[i:j]))
		}
		i = j
	}
	return b.String()
}

func codeName(c codes.Code) string {
	if c == codes.OK {
		return "OK"
	}
	var name strings.Builder
	for i, letter := range c.String() {
		if i > 0 && letter >= 'A' && letter <= 'Z' {
			name.WriteByte('_')
		}
		name.WriteRune(letter)
	}
	return strings.ToUpper(name.String())
}

func requireDetails(t *testing.T, e *expander, want []map[string]any, got *status.Status) {
	t.Helper()
	shown := []map[string]any{}
	for _, detail := range got.Proto().GetDetails() {
		shown = append(shown, showDetail(t, e, detail))
	}
	if want == nil {
		want = []map[string]any{}
	}
	require.Equal(t, want, shown)
}

func showDetail(t *testing.T, e *expander, detail *anypb.Any) map[string]any {
	t.Helper()
	m, err := detail.UnmarshalNew()
	require.NoError(t, err)
	shown := map[string]any{}
	if multi, ok := m.(*errordetails.MultiOperationExecutionFailure); ok {
		shown["statuses"] = showStatuses(t, e, multi)
	} else {
		data, err := protojson.Marshal(m)
		require.NoError(t, err)
		require.NoError(t, json.Unmarshal([]byte(normal(e, string(data))), &shown))
	}
	shown["type"] = string(m.ProtoReflect().Descriptor().FullName())
	return shown
}

func showStatuses(t *testing.T, e *expander, multi *errordetails.MultiOperationExecutionFailure) []any {
	t.Helper()
	statuses := []any{}
	for _, s := range multi.GetStatuses() {
		details := []any{}
		for _, d := range s.GetDetails() {
			details = append(details, showDetail(t, e, d))
		}
		statuses = append(statuses, map[string]any{"code": codeName(codes.Code(s.GetCode())), "message": normal(e, s.GetMessage()), "details": details})
	}
	return statuses
}
