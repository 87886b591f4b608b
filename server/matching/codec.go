package matching

import (
	"fmt"
	"math"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"google.golang.org/protobuf/encoding/protowire"

	"perdure/server/cluster"
	"perdure/server/match"
	"perdure/server/store"
)

// codecVersion is raised when a field changes its meaning; new fields only need new numbers.
const codecVersion = 1

// encodeTask writes what a backlog row needs besides its key.
func encodeTask(task *cluster.Task, created int64) []byte {
	b := make([]byte, 0, 160)
	b = appendNumber(b, 1, codecVersion)
	b = appendText(b, 2, task.Execution.NamespaceID)
	b = appendText(b, 3, task.Execution.WorkflowID)
	b = appendText(b, 4, task.Execution.RunID)
	b = appendNumber(b, 5, int64(task.Execution.Slot))
	b = appendNumber(b, 6, task.Execution.Exec)
	b = appendNumber(b, 7, task.ScheduledEventID)
	b = appendNumber(b, 8, task.Stamp)
	b = appendTime(b, 9, task.ScheduledTime)
	b = appendTime(b, 10, task.ExpiresAt)
	b = appendNumber(b, 11, int64(task.Priority))
	b = appendNumber(b, 12, created)
	b = appendText(b, 13, task.FairnessKey)
	b = appendNumber(b, 14, int64(math.Float32bits(task.FairnessWeight)))
	return appendDirective(b, task.Direct)
}

func appendDirective(b []byte, d match.Directive) []byte {
	b = appendText(b, 15, d.Pinned.Deployment)
	b = appendText(b, 16, d.Pinned.BuildID)
	b = appendText(b, 17, d.Key)
	b = appendNumber(b, 18, numberOf(d.IfMember))
	b = appendNumber(b, 19, numberOf(d.Ramping))
	b = appendText(b, 20, d.BuildID)
	return appendNumber(b, 21, numberOf(d.Unassigned))
}

func numberOf(is bool) int64 {
	if is {
		return 1
	}
	return 0
}

func appendNumber(b []byte, field protowire.Number, v int64) []byte {
	if v == 0 {
		return b
	}
	return protowire.AppendVarint(protowire.AppendTag(b, field, protowire.VarintType), uint64(v))
}

func appendText(b []byte, field protowire.Number, v string) []byte {
	if v == "" {
		return b
	}
	return protowire.AppendString(protowire.AppendTag(b, field, protowire.BytesType), v)
}

func appendTime(b []byte, field protowire.Number, t time.Time) []byte {
	if t.IsZero() {
		return b
	}
	return appendNumber(b, field, t.UnixNano())
}

// decodeTask reads a backlog row and the time, in nanoseconds since the Unix
// epoch, at which its task was offered. store.ErrDamaged when it is not one of ours.
func decodeTask(row store.QueueTask) (*cluster.Task, int64, error) {
	numbers, texts, err := decodeFields(row.Data)
	if err != nil || numbers[1] != codecVersion {
		return nil, 0, fmt.Errorf("task %d of queue %q: %w", row.ID, row.Queue.Name, store.ErrDamaged)
	}
	key := queueKeyOf(row.Queue)
	task := &cluster.Task{
		Queue: cluster.TaskQueue{
			NamespaceID: key.namespaceID, Name: key.name, Type: key.kind,
			Kind: enumspb.TASK_QUEUE_KIND_NORMAL, Partition: key.partition,
		},
		Execution: cluster.ExecutionRef{
			NamespaceID: texts[2],
			WorkflowID:  texts[3],
			RunID:       texts[4],
			Slot:        int32(numbers[5]),
			Exec:        numbers[6],
		},
		ScheduledEventID: numbers[7],
		Stamp:            numbers[8],
		ScheduledTime:    timeOf(numbers[9]),
		ExpiresAt:        timeOf(numbers[10]),
		Priority:         int32(numbers[11]),
		FairnessKey:      texts[13],
		FairnessWeight:   math.Float32frombits(uint32(numbers[14])),
		FromBacklog:      true,
		Direct: match.Directive{
			Pinned: match.Version{Deployment: texts[15], BuildID: texts[16]}, Key: texts[17],
			IfMember: numbers[18] != 0, Ramping: numbers[19] != 0, BuildID: texts[20], Unassigned: numbers[21] != 0,
		},
	}
	return task, numbers[12], nil
}

func timeOf(nanoseconds int64) time.Time {
	if nanoseconds == 0 {
		return time.Time{}
	}
	return time.Unix(0, nanoseconds).UTC()
}

// fieldLimit is above the highest field number; fields beyond it come from a
// newer program and are skipped.
const fieldLimit = 22

func decodeFields(b []byte) (numbers [fieldLimit]int64, texts [fieldLimit]string, err error) {
	for len(b) > 0 {
		field, kind, n := protowire.ConsumeTag(b)
		if n < 0 {
			return numbers, texts, protowire.ParseError(n)
		}
		size := protowire.ConsumeFieldValue(field, kind, b[n:])
		if size < 0 {
			return numbers, texts, protowire.ParseError(size)
		}
		value := b[n : n+size]
		b = b[n+size:]
		if field >= fieldLimit {
			continue
		}
		switch kind {
		case protowire.VarintType:
			v, _ := protowire.ConsumeVarint(value)
			numbers[field] = int64(v)
		case protowire.BytesType:
			v, _ := protowire.ConsumeBytes(value)
			texts[field] = string(v)
		}
	}
	return numbers, texts, nil
}
