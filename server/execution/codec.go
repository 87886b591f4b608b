package execution

import (
	"errors"
	"fmt"
	"time"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	failurepb "go.temporal.io/api/failure/v1"
	historypb "go.temporal.io/api/history/v1"
	workflowpb "go.temporal.io/api/workflow/v1"

	"perdure/server/spans"
)

// The stored form of a state is a protobuf-encoded record without a schema
// file: numbered fields that are left out when zero, so fields can be added and
// old rows stay readable. Events that the state points to are not stored again
// but attached from history (NeededEvents, Attach). What lives in memory only,
// updates not yet accepted and speculative tasks, is left out.

// ErrCorrupt tells that bytes are not an encoded state.
var ErrCorrupt = errors.New("corrupt execution state")

type encoder struct {
	b   []byte
	err error
}

func (e *encoder) int(field protowire.Number, v int64) {
	if v != 0 {
		e.b = protowire.AppendVarint(protowire.AppendTag(e.b, field, protowire.VarintType), protowire.EncodeZigZag(v))
	}
}

func (e *encoder) bool(field protowire.Number, v bool) {
	if v {
		e.int(field, 1)
	}
}

func (e *encoder) text(field protowire.Number, v string) {
	if v != "" {
		e.b = protowire.AppendString(protowire.AppendTag(e.b, field, protowire.BytesType), v)
	}
}

func (e *encoder) time(field protowire.Number, v time.Time) {
	if !v.IsZero() {
		e.int(field, v.UnixNano())
	}
}

func (e *encoder) message(field protowire.Number, m proto.Message) {
	if m == nil || !m.ProtoReflect().IsValid() {
		return
	}
	b, err := proto.MarshalOptions{Deterministic: true}.Marshal(m)
	if err != nil {
		e.err = errors.Join(e.err, err)
		return
	}
	e.b = protowire.AppendBytes(protowire.AppendTag(e.b, field, protowire.BytesType), b)
}

func (e *encoder) record(field protowire.Number, write func(*encoder)) {
	inner := encoder{}
	write(&inner)
	e.err = errors.Join(e.err, inner.err)
	e.b = protowire.AppendBytes(protowire.AppendTag(e.b, field, protowire.BytesType), inner.b)
}

// value is one decoded field.
type value struct {
	number int64
	bytes  []byte
	err    *error
}

func (v value) int() int64   { return v.number }
func (v value) bool() bool   { return v.number != 0 }
func (v value) text() string { return string(v.bytes) }
func (v value) fail(e error) { *v.err = errors.Join(*v.err, e) }
func (v value) time() time.Time {
	return time.Unix(0, v.number).UTC()
}

func unmarshal[M proto.Message](v value, m M) M {
	if err := proto.Unmarshal(v.bytes, m); err != nil {
		v.fail(err)
	}
	return m
}

func (v value) record(read func(protowire.Number, value)) {
	if err := decodeFields(v.bytes, read); err != nil {
		v.fail(err)
	}
}

func decodeFields(b []byte, read func(protowire.Number, value)) error {
	var failed error
	for len(b) > 0 {
		field, kind, n := protowire.ConsumeTag(b)
		if n < 0 {
			return ErrCorrupt
		}
		b = b[n:]
		v := value{err: &failed}
		switch kind {
		case protowire.VarintType:
			raw, n := protowire.ConsumeVarint(b)
			if n < 0 {
				return ErrCorrupt
			}
			v.number, b = protowire.DecodeZigZag(raw), b[n:]
		case protowire.BytesType:
			raw, n := protowire.ConsumeBytes(b)
			if n < 0 {
				return ErrCorrupt
			}
			v.bytes, b = raw, b[n:]
		default:
			return ErrCorrupt
		}
		read(field, v)
	}
	return failed
}

// Encode writes the state as it is stored. What changes often comes first and
// what hardly ever does last: PostgreSQL keeps out of its log what the old and
// the new row have in common at their ends.
func (s *State) Encode() ([]byte, error) {
	e := &encoder{b: make([]byte, 0, 512)}
	s.encodeProgress(e)
	s.encodeTask(e)
	s.encodePending(e)
	s.encodeRest(e)
	e.record(58, s.Requests.events.encode)
	if len(s.SignalRequests.events.all()) > 0 {
		e.record(60, s.SignalRequests.events.encode)
	}
	s.encodeIdentity(e)
	return e.b, e.err
}

func (s *State) encodeIdentity(e *encoder) {
	e.text(1, s.NamespaceID)
	e.text(2, s.WorkflowID)
	e.text(3, s.RunID)
	e.text(4, s.RequestID)
	e.time(9, s.StartTime)
	e.time(10, s.ExecutionTime)
	if s.Origin != (spans.Origin{}) {
		e.text(75, string(s.Origin.Pack()))
	}
}

func (s *State) encodeProgress(e *encoder) {
	e.int(5, s.Version)
	e.int(6, s.NextEventID)
	e.int(7, s.HistorySize)
	e.int(8, int64(s.Status))
	e.time(11, s.CloseTime)
	e.int(12, s.CloseEventID)
	e.text(13, s.NewRunID)
	e.bool(14, s.FirstTaskDelayed)
}

func (s *State) encodeTask(e *encoder) {
	e.int(15, int64(s.TaskAttempt))
	e.time(16, s.TaskHeartbeatSince)
	e.int(17, s.PreviousStartedID)
	e.int(18, s.LastTaskCompletedID)
	e.text(19, s.StickyQueue)
	e.int(20, int64(s.StickyTimeout))
	e.text(71, s.StickyWorker.Deployment)
	e.text(72, s.StickyWorker.BuildID)
	e.bool(21, s.CloseAttempted)
	e.int(22, int64(s.WorkflowTaskFailures))
	e.int(23, s.LastStamp)
	if task := s.Task; task != nil && task.Kind != TaskSpeculative {
		e.record(24, task.encode)
	}
}

func (w *WorkflowTask) encode(e *encoder) {
	e.int(1, int64(w.Kind))
	e.int(2, w.ScheduledEventID)
	e.int(3, w.StartedEventID)
	e.int(4, int64(w.Attempt))
	e.text(5, w.Queue)
	e.bool(6, w.Sticky)
	e.bool(7, w.Refused)
	e.time(8, w.ScheduledTime)
	e.time(9, w.OriginalScheduledTime)
	e.time(10, w.StartedTime)
	e.int(11, int64(w.Timeout))
	e.int(12, w.Stamp)
	e.text(13, w.RequestID)
	e.text(14, w.Identity)
	e.int(15, w.HistorySize)
	e.time(16, w.StickyUntil)
	e.bool(20, w.TargetChanged)
	e.text(21, w.Build)
	e.int(22, w.Redirects)
	for _, reason := range w.SuggestReasons {
		e.int(17, int64(reason))
	}
}

func (s *State) encodePending(e *encoder) {
	for _, a := range s.Activities.values() {
		e.record(30, a.encode)
	}
	for _, timer := range s.Timers.values() {
		e.record(31, func(e *encoder) {
			e.text(1, timer.TimerID)
			e.int(2, timer.StartedEventID)
			e.time(3, timer.FireTime)
		})
	}
	for _, child := range s.Children.values() {
		e.record(32, child.encode)
	}
	for _, id := range s.ExternalSignals.keys() {
		e.int(33, id)
	}
	for _, id := range s.ExternalCancels.keys() {
		e.int(34, id)
	}
	for _, u := range s.Updates.values() {
		if u.Stage < UpdateAccepted && !u.InHistory {
			continue
		}
		e.record(35, func(e *encoder) {
			e.text(1, u.ID)
			e.int(2, int64(u.Stage))
			e.int(3, u.Order)
			e.int(4, u.AcceptedEventID)
			e.int(5, u.CompletedEventID)
			e.bool(6, u.InHistory)
		})
	}
	for _, event := range s.Buffered {
		e.message(37, event)
	}
	s.encodeCallbacks(e)
}

func (a *Activity) encode(e *encoder) {
	e.int(1, a.ScheduledEventID)
	e.text(2, a.ActivityID)
	e.int(3, int64(a.Attempt))
	e.int(4, a.Stamp)
	e.time(5, a.ScheduledTime)
	e.time(6, a.AttemptTime)
	e.time(7, a.StartedTime)
	e.text(8, a.RequestID)
	e.text(9, a.Identity)
	e.int(10, a.CancelEventID)
	e.time(11, a.HeartbeatTime)
	e.message(12, a.HeartbeatDetails)
	e.message(13, a.LastFailure)
	e.time(14, a.LastAttemptEnd)
	e.int(15, a.RetryIntervalNano)
	e.bool(16, a.Paused)
	e.time(17, a.PauseTime)
	e.text(18, a.PauseIdentity)
	e.text(19, a.PauseReason)
	e.bool(20, a.ResetRequested)
	e.text(30, a.Worker.Deployment)
	e.text(31, a.Worker.BuildID)
	e.text(32, a.BuildID)
	e.bool(33, a.ByRule)
	e.int(34, a.Redirects)
	e.text(22, a.PauseRequestID)
	if a.Options != nil {
		options := proto.CloneOf(a.Options)
		options.Input, options.Header = nil, nil // as scheduled: not written again
		e.message(21, options)
	}
}

func (c *Child) encode(e *encoder) {
	e.int(1, c.InitiatedEventID)
	e.int(2, c.StartedEventID)
	e.text(3, c.WorkflowID)
	e.text(4, c.RunID)
	e.text(5, c.WorkflowType)
	e.text(6, c.Namespace)
	e.text(7, c.NamespaceID)
	e.int(8, int64(c.ClosePolicy))
}

func (s *State) encodeRest(e *encoder) {
	e.int(40, s.UpdateCount)
	e.int(41, s.SignalCount)
	e.bool(42, s.CancelRequested)
	e.text(43, s.CancelRequestID)
	// What is still as event 1 has it is not written again: a memo may be large.
	started := s.StartedAttributes()
	if sameMemo := s.Memo != nil && s.Memo == started.GetMemo(); sameMemo {
		e.bool(50, true)
	} else {
		e.message(44, s.Memo)
	}
	if sameAttributes := s.SearchAttributes != nil && s.SearchAttributes == started.GetSearchAttributes(); sameAttributes {
		e.bool(51, true)
	} else {
		e.message(45, s.SearchAttributes)
	}
	for _, point := range s.ResetPoints {
		e.message(46, point)
	}
	e.message(47, s.Priority)
	e.bool(48, s.NotifyParent)
	e.bool(49, s.ClosePolicyDue)
	e.text(52, s.ResetRunID)
	e.time(53, s.LastResetTime)
	e.message(54, s.VersioningOverride)
	e.text(56, s.ResetRequestID)
	if s.Versioning != (Versioning{}) {
		e.record(70, s.Versioning.encode)
	}
	if s.Building != (Building{}) {
		e.record(73, s.Building.encode)
	}
	if s.Pause != nil {
		e.record(57, s.Pause.encode)
	}
	for _, problem := range s.Problems {
		e.text(55, problem)
	}
	if s.Seen != (Seen{}) {
		e.record(80, s.Seen.encode)
	}
	e.bool(74, s.OverrideRemoved)
}

// Decode reads a stored state. ErrCorrupt when the bytes are none.
func Decode(b []byte) (*State, error) {
	s := &State{}
	err := decodeFields(b, func(field protowire.Number, v value) {
		if !s.decodeIdentity(field, v) && !s.decodeTask(field, v) && !s.decodePending(field, v) {
			s.decodeRest(field, v)
		}
	})
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrCorrupt, err)
	}
	if s.RunID == "" || s.NextEventID < 2 || !s.Requests.events.within(s.NextEventID) || !s.SignalRequests.events.within(s.NextEventID) {
		return nil, ErrCorrupt
	}
	s.bytes = len(b)
	return s, nil
}

func (s *State) decodeIdentity(field protowire.Number, v value) bool {
	switch field {
	case 1:
		s.NamespaceID = v.text()
	case 2:
		s.WorkflowID = v.text()
	case 3:
		s.RunID = v.text()
	case 4:
		s.RequestID = v.text()
	case 5:
		s.Version = v.int()
	case 6:
		s.NextEventID = v.int()
	case 7:
		s.HistorySize = v.int()
	case 8:
		s.Status = enumspb.WorkflowExecutionStatus(v.int())
	case 9:
		s.StartTime = v.time()
	case 10:
		s.ExecutionTime = v.time()
	case 75:
		origin, ok := spans.Unpack(v.bytes)
		if !ok {
			v.fail(ErrCorrupt)
		}
		s.Origin = origin
	case 11:
		s.CloseTime = v.time()
	case 12:
		s.CloseEventID = v.int()
	case 13:
		s.NewRunID = v.text()
	case 14:
		s.FirstTaskDelayed = v.bool()
	default:
		return false
	}
	return true
}

func (s *State) decodeTask(field protowire.Number, v value) bool {
	switch field {
	case 15:
		s.TaskAttempt = int32(v.int())
	case 16:
		s.TaskHeartbeatSince = v.time()
	case 17:
		s.PreviousStartedID = v.int()
	case 18:
		s.LastTaskCompletedID = v.int()
	case 19:
		s.StickyQueue = v.text()
	case 20:
		s.StickyTimeout = time.Duration(v.int())
	case 71:
		s.StickyWorker.Deployment = v.text()
	case 72:
		s.StickyWorker.BuildID = v.text()
	case 21:
		s.CloseAttempted = v.bool()
	case 22:
		s.WorkflowTaskFailures = int32(v.int())
	case 23:
		s.LastStamp = v.int()
	case 24:
		s.Task = &WorkflowTask{}
		v.record(s.Task.decode)
	default:
		return false
	}
	return true
}

func (w *WorkflowTask) decode(field protowire.Number, v value) {
	switch field {
	case 1:
		w.Kind = TaskKind(v.int())
	case 2:
		w.ScheduledEventID = v.int()
	case 3:
		w.StartedEventID = v.int()
	case 4:
		w.Attempt = int32(v.int())
	case 5:
		w.Queue = v.text()
	case 6:
		w.Sticky = v.bool()
	case 7:
		w.Refused = v.bool()
	case 8:
		w.ScheduledTime = v.time()
	case 9:
		w.OriginalScheduledTime = v.time()
	case 10:
		w.StartedTime = v.time()
	case 11:
		w.Timeout = time.Duration(v.int())
	case 12:
		w.Stamp = v.int()
	case 13:
		w.RequestID = v.text()
	case 14:
		w.Identity = v.text()
	case 15:
		w.HistorySize = v.int()
	case 16:
		w.StickyUntil = v.time()
	case 17:
		w.SuggestReasons = append(w.SuggestReasons, enumspb.SuggestContinueAsNewReason(v.int()))
	case 20:
		w.TargetChanged = v.bool()
	case 21:
		w.Build = v.text()
	case 22:
		w.Redirects = v.int()
	}
}

func (s *State) decodePending(field protowire.Number, v value) bool {
	switch field {
	case 30:
		a := &Activity{}
		v.record(a.decode)
		s.Activities.put(a.ScheduledEventID, a)
	case 31:
		timer := &Timer{}
		v.record(timer.decode)
		s.Timers.put(timer.TimerID, timer)
	case 32:
		child := &Child{}
		v.record(child.decode)
		s.Children.put(child.InitiatedEventID, child)
	case 33:
		s.ExternalSignals.put(v.int(), &ExternalSignal{InitiatedEventID: v.int()})
	case 34:
		s.ExternalCancels.put(v.int(), &ExternalCancel{InitiatedEventID: v.int()})
	case 35:
		u := &Update{}
		v.record(u.decode)
		s.Updates.put(u.ID, u)
	case 37:
		s.decodeBuffered(unmarshal(v, &historypb.HistoryEvent{}))
	case 58:
		v.record(s.Requests.events.decode)
	case 60:
		v.record(s.SignalRequests.events.decode)
	default:
		return s.decodeCallbacks(field, v)
	}
	return true
}

func (s *State) decodeBuffered(e *historypb.HistoryEvent) {
	s.Buffered = append(s.Buffered, e)
	for _, id := range s.requestsOf(e) {
		if id != "" {
			s.requestsFor(e.EventType).put(id, Request{EventType: e.EventType})
		}
	}
}

func (a *Activity) decode(field protowire.Number, v value) {
	switch field {
	case 1:
		a.ScheduledEventID = v.int()
	case 2:
		a.ActivityID = v.text()
	case 3:
		a.Attempt = int32(v.int())
	case 4:
		a.Stamp = v.int()
	case 5:
		a.ScheduledTime = v.time()
	case 6:
		a.AttemptTime = v.time()
	case 7:
		a.StartedTime = v.time()
	case 8:
		a.RequestID = v.text()
	case 9:
		a.Identity = v.text()
	case 10:
		a.CancelEventID = v.int()
	case 11:
		a.HeartbeatTime = v.time()
	case 12:
		a.HeartbeatDetails = unmarshal(v, &commonpb.Payloads{})
	case 13:
		a.LastFailure = unmarshal(v, &failurepb.Failure{})
	case 14:
		a.LastAttemptEnd = v.time()
	case 15:
		a.RetryIntervalNano = v.int()
	case 16:
		a.Paused = v.bool()
	case 17:
		a.PauseTime = v.time()
	case 18:
		a.PauseIdentity = v.text()
	case 19:
		a.PauseReason = v.text()
	case 20:
		a.ResetRequested = v.bool()
	case 30:
		a.Worker.Deployment = v.text()
	case 31:
		a.Worker.BuildID = v.text()
	case 32:
		a.BuildID = v.text()
	case 33:
		a.ByRule = v.bool()
	case 34:
		a.Redirects = v.int()
	case 21:
		a.Options = unmarshal(v, &historypb.ActivityTaskScheduledEventAttributes{})
	case 22:
		a.PauseRequestID = v.text()
	}
}

func (t *Timer) decode(field protowire.Number, v value) {
	switch field {
	case 1:
		t.TimerID = v.text()
	case 2:
		t.StartedEventID = v.int()
	case 3:
		t.FireTime = v.time()
	}
}

func (c *Child) decode(field protowire.Number, v value) {
	switch field {
	case 1:
		c.InitiatedEventID = v.int()
	case 2:
		c.StartedEventID = v.int()
	case 3:
		c.WorkflowID = v.text()
	case 4:
		c.RunID = v.text()
	case 5:
		c.WorkflowType = v.text()
	case 6:
		c.Namespace = v.text()
	case 7:
		c.NamespaceID = v.text()
	case 8:
		c.ClosePolicy = enumspb.ParentClosePolicy(v.int())
	}
}

func (u *Update) decode(field protowire.Number, v value) {
	switch field {
	case 1:
		u.ID = v.text()
	case 2:
		u.Stage = UpdateStage(v.int())
	case 3:
		u.Order = v.int()
	case 4:
		u.AcceptedEventID = v.int()
	case 5:
		u.CompletedEventID = v.int()
	case 6:
		u.InHistory = v.bool()
	}
}

func (s *State) decodeRest(field protowire.Number, v value) {
	switch field {
	case 40:
		s.UpdateCount = v.int()
	case 41:
		s.SignalCount = v.int()
	case 42:
		s.CancelRequested = v.bool()
	case 43:
		s.CancelRequestID = v.text()
	case 44:
		s.Memo = unmarshal(v, &commonpb.Memo{})
	case 45:
		s.SearchAttributes = unmarshal(v, &commonpb.SearchAttributes{})
	case 46:
		s.ResetPoints = append(s.ResetPoints, unmarshal(v, &workflowpb.ResetPointInfo{}))
	case 47:
		s.Priority = unmarshal(v, &commonpb.Priority{})
	case 48:
		s.NotifyParent = v.bool()
	case 49:
		s.ClosePolicyDue = v.bool()
	case 50:
		s.memoAsStarted = v.bool()
	case 51:
		s.attributesAsStarted = v.bool()
	case 52:
		s.ResetRunID = v.text()
	case 53:
		s.LastResetTime = v.time()
	case 54:
		s.VersioningOverride = unmarshal(v, &workflowpb.VersioningOverride{})
	case 56:
		s.ResetRequestID = v.text()
	case 70:
		v.record(s.Versioning.decode)
	case 73:
		v.record(s.Building.decode)
	case 57:
		s.Pause = &Pause{}
		v.record(s.Pause.decode)
	case 55:
		s.Problems = append(s.Problems, v.text())
	case 80:
		v.record(s.Seen.decode)
	case 74:
		s.OverrideRemoved = v.bool()
	}
}
