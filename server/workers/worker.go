package workers

import (
	"fmt"
	"strings"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	workerpb "go.temporal.io/api/worker/v1"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"perdure/visibility/attr"
	"perdure/visibility/eval"
	"perdure/visibility/query"
)

// worker is what is remembered of one process. It does not change, but for
// heard, which is set before anybody else sees it. The heartbeat is kept
// encoded, which takes a fraction of the memory of the message; what filters
// ask for is beside it, so that a list reads only the heartbeats it shows.
type worker struct {
	key     workerKey
	heard   time.Time
	encoded []byte // a workerpb.WorkerHeartbeat

	identity, host, queue, deployment, build, sdk, sdkVersion string

	status          enumspb.WorkerStatus
	start, beatTime time.Time // zero: it did not tell
}

// workerOverheadBytes is about what a worker takes beside its texts and its heartbeat.
const workerOverheadBytes = 300

func newWorker(key workerKey, beat *workerpb.WorkerHeartbeat) (*worker, error) {
	encoded, err := proto.Marshal(beat)
	if err != nil {
		return nil, fmt.Errorf("encode a heartbeat: %w", err)
	}
	return &worker{
		key: key, encoded: encoded,
		identity: beat.GetWorkerIdentity(), host: beat.GetHostInfo().GetHostName(), queue: beat.GetTaskQueue(),
		deployment: beat.GetDeploymentVersion().GetDeploymentName(), build: beat.GetDeploymentVersion().GetBuildId(),
		sdk: beat.GetSdkName(), sdkVersion: beat.GetSdkVersion(), status: beat.GetStatus(),
		start: timeOf(beat.GetStartTime()), beatTime: timeOf(beat.GetHeartbeatTime()),
	}, nil
}

func timeOf(t *timestamppb.Timestamp) time.Time {
	if t == nil {
		return time.Time{}
	}
	return t.AsTime()
}

// size is roughly the memory that the worker takes, in bytes.
func (w *worker) size() int {
	texts := len(w.key.instance) + len(w.identity) + len(w.host) + len(w.queue) + len(w.deployment) + len(w.build) + len(w.sdk) + len(w.sdkVersion)
	return workerOverheadBytes + texts + len(w.encoded)
}

func (w *worker) heartbeat() (*workerpb.WorkerHeartbeat, error) {
	beat := &workerpb.WorkerHeartbeat{}
	if err := proto.Unmarshal(w.encoded, beat); err != nil {
		return nil, fmt.Errorf("%w: %w", errUnreadable, err)
	}
	return beat, nil
}

func notFound(instance string) error {
	return serviceerror.NewNotFoundf("Worker %s not found", instance)
}

// systemQueuePrefix begins the task queues of workers that a server runs for
// itself: lists leave them out unless asked for them.
const systemQueuePrefix = "temporal-sys-"

func (w *worker) isSystem() bool { return strings.HasPrefix(w.queue, systemQueuePrefix) }

// Names of the attributes that filters know.
const (
	attributeInstance   = "WorkerInstanceKey"
	attributeIdentity   = "WorkerIdentity"
	attributeHost       = "HostName"
	attributeQueue      = "TaskQueue"
	attributeDeployment = "DeploymentName"
	attributeBuild      = "BuildId"
	attributeSDK        = "SdkName"
	attributeSDKVersion = "SdkVersion"
	attributeStart      = "StartTime"
	attributeHeartbeat  = "HeartbeatTime"
	attributeStatus     = "WorkerStatus"
	attributeStatusToo  = "Status"
)

// text tells what a worker says of an attribute; empty: nothing.
type text func(*worker) string

var texts = map[string]text{
	attributeInstance:   func(w *worker) string { return w.key.instance },
	attributeIdentity:   func(w *worker) string { return w.identity },
	attributeHost:       func(w *worker) string { return w.host },
	attributeQueue:      func(w *worker) string { return w.queue },
	attributeDeployment: func(w *worker) string { return w.deployment },
	attributeBuild:      func(w *worker) string { return w.build },
	attributeSDK:        func(w *worker) string { return w.sdk },
	attributeSDKVersion: func(w *worker) string { return w.sdkVersion },
	attributeStatus:     func(w *worker) string { return w.status.String() },
	attributeStatusToo:  func(w *worker) string { return w.status.String() },
}

// moments are the attributes that are times; zero: it does not tell.
var moments = map[string]func(*worker) time.Time{
	attributeStart:     func(w *worker) time.Time { return w.start },
	attributeHeartbeat: func(w *worker) time.Time { return w.beatTime },
}

var schema = query.Schema{Types: attributeTypes(), Words: map[string]map[string]string{
	attributeStatus: statusWords(), attributeStatusToo: statusWords(),
}}

func attributeTypes() attr.Types {
	types := attr.Types{}
	for name := range texts {
		types[name] = enumspb.INDEXED_VALUE_TYPE_KEYWORD
	}
	for name := range moments {
		types[name] = enumspb.INDEXED_VALUE_TYPE_DATETIME
	}
	return types
}

// statusWords accepts the short and the long name of each status.
func statusWords() map[string]string {
	words := map[string]string{}
	for number, long := range enumspb.WorkerStatus_name {
		short := enumspb.WorkerStatus(number).String()
		words[short], words[long] = short, short
	}
	return words
}

// fill writes the named attributes of a worker to a row, as filters see them.
// What the worker did not tell is absent.
func (w *worker) fill(row eval.Row, names []string) {
	clear(row)
	for _, name := range names {
		if tell, ok := texts[name]; ok {
			if value := tell(w); value != "" {
				row[name] = attr.Value{Type: enumspb.INDEXED_VALUE_TYPE_KEYWORD, Value: value}
			}
			continue
		}
		if at := moments[name](w); !at.IsZero() {
			row[name] = attr.Value{Type: enumspb.INDEXED_VALUE_TYPE_DATETIME, Value: at}
		}
	}
}

// listed is a worker as lists show it in short.
func listed(beat *workerpb.WorkerHeartbeat) *workerpb.WorkerListInfo {
	return &workerpb.WorkerListInfo{
		WorkerInstanceKey: beat.GetWorkerInstanceKey(),
		WorkerIdentity:    beat.GetWorkerIdentity(),
		TaskQueue:         beat.GetTaskQueue(),
		DeploymentVersion: beat.GetDeploymentVersion(),
		SdkName:           beat.GetSdkName(),
		SdkVersion:        beat.GetSdkVersion(),
		Status:            beat.GetStatus(),
		StartTime:         beat.GetStartTime(),
		HostName:          beat.GetHostInfo().GetHostName(),
		WorkerGroupingKey: beat.GetHostInfo().GetWorkerGroupingKey(),
		ProcessId:         beat.GetHostInfo().GetProcessId(),
		Plugins:           beat.GetPlugins(),
		Drivers:           beat.GetDrivers(),
	}
}
