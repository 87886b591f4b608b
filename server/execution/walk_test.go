package execution

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/stretchr/testify/require"
	enumspb "go.temporal.io/api/enums/v1"

	"perdure/server/nexus"
)

// walker drives a run as the world would: workers that complete what they were
// given, clients, other runs, time, and crashes. pick(n) chooses from [0, n).
type walker struct {
	*rig
	pick   func(n int) int
	tokens []*TaskStarted // every task ever given to a worker
	trace  []string
}

func newWalker(t require.TestingT, pick func(n int) int) *walker {
	w := &walker{rig: newRig(t), pick: pick}
	w.limits.BufferedEvents = 6
	w.limits.UpdatesInFlight = 3
	w.limits.HistoryEvents = 120
	w.limits.BlobBytes = 400
	start := args{}
	for _, option := range []string{"run-timeout=40s", "execution-timeout=2m", "attempts=3 initial=1s", "delay=5s", "cron=@every_1m", "signal=hi", "update=u1", "parent=p", "eager", "callbacks=one,two", "task-timeout=3s", "origin"} {
		if w.chance(6) {
			for key, value := range lineArgs(strings.Fields(option)) {
				start[key] = value
			}
		}
	}
	if start.has("delay") || start.has("cron") {
		delete(start, "eager")
	}
	w.note("start %v", start)
	w.begin(startOf(start))
	w.keepToken()
	return w
}

func (w *walker) note(format string, args ...any) {
	w.trace = append(w.trace, fmt.Sprintf(format, args...))
}

// chance is true once in n times.
func (w *walker) chance(n int) bool { return w.pick(n) == n-1 }

func (w *walker) one(of ...string) string { return of[w.pick(len(of))] }

func (w *walker) keepToken() {
	if w.lastStart != nil && (len(w.tokens) == 0 || w.tokens[len(w.tokens)-1] != w.lastStart) {
		w.tokens = append(w.tokens, w.lastStart)
	}
}

// step does one thing. False: nothing more can happen.
func (w *walker) step() bool {
	if !w.s.Open() {
		return w.stepClosed()
	}
	switch w.pick(21) {
	case 0, 1, 2:
		w.stepPoll()
	case 3, 4, 5:
		w.stepComplete()
	case 6:
		w.stepFail()
	case 7, 8:
		w.stepClient()
	case 9, 10:
		w.stepTime()
	case 11, 12:
		w.stepActivity()
	case 13:
		w.stepRemote()
	case 14:
		w.stepSticky()
	case 15:
		w.stepCrash()
	case 16:
		w.stepReset()
	case 17:
		w.stepPause()
	case 18:
		w.stepVersions()
	case 19:
		w.stepOperator()
	case 20:
		w.stepBuilding()
	}
	w.keepToken()
	return true
}

func (w *walker) stepClosed() bool {
	for range 3 {
		w.stepClient() // must change nothing
	}
	w.note("closed: acknowledge")
	_, _ = w.do(ParentNotified{})
	_, _ = w.do(ClosePolicyDone{})
	require.Empty(w.t, w.s.Work(w.now).Messages)
	for w.stepCalls() {
	}
	require.False(w.t, w.s.Work(w.now).Pending())
	return false
}

// stepCalls answers all calls that are due, and waits for those that are due later. False: there are none.
func (w *walker) stepCalls() bool {
	calls := w.s.Work(w.now).Calls
	if len(calls) == 0 {
		before := w.now
		w.advance(args{})
		return w.now.After(before)
	}
	for _, c := range calls {
		request := w.s.CallbackRequest(c.Callback, "ns")
		require.NotEmpty(w.t, request.URL)
		answer := CallbackAnswered{
			Key: c.Callback.Key(), Attempts: c.Callback.Progress.Attempts, Answer: nexus.AnswerOf(nexus.Response{StatusCode: 200 + 100*w.pick(4)}), Chance: 0.5,
		}
		_, err := w.do(answer)
		require.NoError(w.t, err)
		_, err = w.do(answer)
		require.ErrorIs(w.t, err, ErrStale, "an answer counts once")
		w.note("%s answers %+v", request.URL, answer.Answer)
		if w.chance(4) {
			w.crash()
		}
	}
	return true
}

func (w *walker) stepPoll() {
	_, err := w.startTask()
	w.note("poll: %v", err)
}

func (w *walker) stepFail() {
	if w.lastStart == nil {
		return
	}
	cause := w.one("WorkflowWorkerUnhandledFailure", "NonDeterministicError", "GrpcMessageTooLarge")
	if cause == "GrpcMessageTooLarge" && !w.chance(4) {
		return
	}
	_, err := w.do(FailTask{ScheduledEventID: w.lastStart.ScheduledEventID, StartedEventID: w.lastStart.StartedEventID, Stamp: w.lastStart.Stamp, Cause: taskFailedCause(cause), Identity: "worker"})
	w.note("fail task %s: %v", cause, err)
}

func (w *walker) stepComplete() {
	if w.lastStart == nil {
		return
	}
	var lines []string
	for range w.pick(5) {
		if line := w.line(); line != "" {
			lines = append(lines, line)
		}
	}
	lines = append(lines, w.answers()...)
	if w.chance(8) {
		lines = append(lines, w.one("done result=1", "fail", "fail non-retryable", "canceled", "continue", "continue inherit", "continue backoff=3s"))
	}
	a := args{}
	for _, option := range []string{"force", "return-new", "sticky=mine", "build=v1", "build=v2"} {
		if w.chance(4) {
			for key, value := range lineArgs([]string{option}) {
				a[key] = value
			}
		}
	}
	request := completion(a, strings.Join(lines, "\n"))
	w.setWorker(request, args{"behavior": w.one("", "", "pinned", "auto")})
	if request.DeploymentOptions == nil {
		request.VersioningBehavior = enumspb.VERSIONING_BEHAVIOR_UNSPECIFIED
	}
	d, err := w.complete(request)
	w.note("complete %v %q: %v, %v", a, lines, err, d.Err)
}

// line is one command of a worker, sensible more often than not.
func (w *walker) line() string {
	name := w.one("a", "b", "c")
	switch w.pick(12) {
	case 0, 1:
		return "activity id=" + name + " " + w.one("start-to-close=4s", "schedule-to-close=9s", "start-to-close=5s schedule-to-start=3s", "start-to-close=9s heartbeat=2s attempts=2", "eager", "eager own-build", "own-build attempts=3", "no-timeout", "start-to-close=2s attempts=1")
	case 2:
		return fmt.Sprintf("cancel-activity event=%d", w.anyKey(w.s.Activities.keys()))
	case 3, 4:
		return "timer id=" + name + " after=" + w.one("0s", "1s", "5s", "1000000h") + w.one("", " summary=why")
	case 5:
		return "cancel-timer id=" + name
	case 6:
		return "child id=" + name + w.one("", " policy=abandon", " policy=cancel", " inherit")
	case 7:
		return "signal-other id=" + name
	case 8:
		return "cancel-other id=" + name
	case 9:
		return w.one("marker details=x", "marker bytes=500", "marker bytes=40")
	case 10:
		return "upsert value=" + w.one("Paris", "Rome")
	}
	return "memo name=" + name + " value=x"
}

func (w *walker) anyKey(keys []int64) int64 {
	if len(keys) == 0 || w.chance(8) {
		return int64(w.pick(12))
	}
	return keys[w.pick(len(keys))]
}

// answers are a worker's answers to the updates it has.
func (w *walker) answers() []string {
	var lines []string
	for _, u := range w.s.Updates.values() {
		switch {
		case u.Stage < UpdateAccepted && w.pick(3) > 0:
			lines = append(lines, w.one("accept id=", "accept bare id=", "reject id=")+u.ID)
		case u.Stage == UpdateAccepted && w.pick(2) > 0:
			lines = append(lines, "respond id="+u.ID)
		}
	}
	if w.chance(10) {
		lines = append(lines, w.one("accept id=u9 with-request", "accept id=u9", "respond id=u9", "message id=none"))
	}
	return lines
}

func (w *walker) stepClient() {
	var c Command
	switch w.pick(8) {
	case 0, 1, 2:
		c = Signal{Name: "s", RequestID: w.one("", "a", "b", "c", "d"), ChildOf: w.one("", "", "", "other"), WithStart: w.chance(4)}
	case 3:
		c = AttachRequest{RequestID: w.one("", "e", "f"), Identity: "client", Callbacks: args{"callbacks": w.one("", "three", "four,five")}.callbacks()}
	case 4, 5:
		id := w.one("u1", "u2", "u3", "u4", "u5")
		c = AdmitUpdate{Request: updateRequest(id)}
		if w.chance(3) {
			c = AdmitUpdate{Request: args{"id": id, "request": id + w.one("-r1", "-r2"), "callbacks": w.one("six", "seven,eight")}.update()}
		}
	case 6:
		c = RequestCancel{RequestID: "cancel"}
	case 7:
		if !w.chance(6) {
			return
		}
		c = Terminate{Reason: "enough"}
	}
	d, err := w.do(c)
	w.note("%T %+v: %v", c, c, err)
	if err == nil {
		w.again(c, d)
	}
}

// again: a command with a request id may come twice, and the second time changes nothing.
func (w *walker) again(c Command, first Decision) {
	switch c := c.(type) {
	case Signal:
		if c.RequestID == "" {
			return
		}
	case AttachRequest:
		if c.RequestID == "" {
			return
		}
	case AdmitUpdate, RequestCancel:
	default:
		return
	}
	if !w.s.Open() || w.s.Paused() {
		return // the command made history too long, or a held run refuses updates
	}
	before := snapshot(w.t, withoutVersion(w.s))
	second, err := w.do(c)
	require.NoError(w.t, err)
	require.Empty(w.t, second.Events)
	require.True(w.t, second.Volatile)
	require.Equal(w.t, before, snapshot(w.t, withoutVersion(w.s)))
	if u, ok := first.Reply.(*UpdateState); ok {
		require.Equal(w.t, u.Update.ID, second.Reply.(*UpdateState).Update.ID)
		require.False(w.t, second.Reply.(*UpdateState).IsNew)
	}
}

func withoutVersion(s *State) *State {
	s = s.fork()
	s.Version = 0
	return s
}

func (w *walker) stepTime() {
	switch w.pick(4) {
	case 0:
		w.now = w.now.Add(time.Duration(w.pick(4000)) * time.Millisecond)
	case 1:
		w.now = w.now.Add(time.Duration(w.pick(40)) * time.Second)
	default:
		w.advance(args{})
	}
	_, err := w.do(Tick{})
	w.note("tick at %s: %v", showTime(w.now), err)
	if err == nil && w.s.Open() {
		_, err = w.do(Tick{})
		require.ErrorIs(w.t, err, ErrStale, "one tick does all that is due")
	}
	w.requireNothingDue()
}

func (w *walker) stepActivity() {
	values := w.s.Activities.values()
	if len(values) == 0 {
		return
	}
	a := values[w.pick(len(values))]
	if a.StartedTime.IsZero() && w.pick(4) > 0 {
		w.note("start activity %s: %v", a.ActivityID, w.rig.startActivity(a.ActivityID))
		return
	}
	answer := args{"id": a.ActivityID}
	for _, option := range []string{"by-id", "details=x", "non-retryable", "delay=7s"} {
		if w.chance(4) {
			for key, value := range lineArgs([]string{option}) {
				answer[key] = value
			}
		}
	}
	name := w.one("heartbeat", "complete-activity", "fail-activity", "fail-activity", "activity-canceled")
	_, err := w.do(w.activityCommand(name, answer))
	w.note("%s %v: %v", name, answer, err)
}

func (w *walker) stepRemote() {
	var c Command
	switch w.pick(5) {
	case 0:
		c = ChildStarted{InitiatedEventID: w.anyKey(w.s.Children.keys()), RunID: "child-run"}
	case 1:
		c = ChildStartFailed{InitiatedEventID: w.anyKey(w.s.Children.keys()), Cause: enumspb.START_CHILD_WORKFLOW_EXECUTION_FAILED_CAUSE_WORKFLOW_ALREADY_EXISTS}
	case 2:
		how := w.one("completed", "failed", "canceled", "timed-out", "terminated")
		c = ChildClosed{InitiatedEventID: w.anyKey(w.s.Children.keys()), FirstRunID: "child-run", RunID: "last-run", CloseEvent: closeEvent(how)}
	case 3:
		c = remoteCommand("signal-delivered", args{"event": fmt.Sprint(w.anyKey(w.s.ExternalSignals.keys()))})
	case 4:
		c = remoteCommand("cancel-delivered", args{"event": fmt.Sprint(w.anyKey(w.s.ExternalCancels.keys())), "failed": ""})
	}
	_, err := w.do(c)
	w.note("%T %+v: %v", c, c, err)
	if err == nil {
		_, err = w.do(c)
		require.ErrorIs(w.t, err, ErrStale, "an acknowledgement counts once")
	}
}

func (w *walker) stepSticky() {
	if task := w.s.Task; task != nil && w.pick(3) > 0 {
		_, err := w.do(RefuseSticky{ScheduledEventID: task.ScheduledEventID, Stamp: task.Stamp})
		w.note("refuse sticky: %v", err)
		return
	}
	_, err := w.do(ResetSticky{})
	w.note("reset sticky: %v", err)
}

// stepPause holds the run or lets it go on. A held run has nothing for workers.
func (w *walker) stepPause() {
	c := Command(PauseRun{Identity: "operator", Reason: "hold", RequestID: w.one("", "p")})
	if w.s.Paused() {
		c = UnpauseRun{Identity: "operator", RequestID: "u"}
	}
	_, err := w.do(c)
	w.note("%T %+v: %v", c, c, err)
	require.NoError(w.t, err)
	if w.s.Paused() {
		require.Empty(w.t, w.s.Work(w.now.Add(time.Hour)).Offers)
		_, err = w.do(AdmitUpdate{Request: updateRequest("held")})
		require.EqualError(w.t, err, "Workflow is paused. Cannot update the workflow.")
	}
}

// stepOperator does what operators do with activities. One that is paused is not offered, whenever it may run.
func (w *walker) stepOperator() {
	name := w.one("pause-activity", "pause-activity", "unpause-activity", "unpause-activity", "reset-activity", "activity-options")
	a := args{"id": w.one("a", "b", "c"), "request": w.one("", "p", "q")}
	options := []string{"all", "once", "reset-attempts", "reset-heartbeat", "keep-paused", "restore", "delay=3s"}
	if name == "activity-options" {
		options = []string{"all", "restore", "start-to-close=3s", "heartbeat=1s", "attempts=2", "initial=4s"}
	}
	for _, option := range options {
		if w.chance(3) {
			for key, value := range lineArgs([]string{option}) {
				a[key] = value
			}
		}
	}
	_, err := w.do(operatorCommand(name, a))
	w.note("%s %v: %v", name, a, err)
	for _, offer := range w.s.Work(w.now.Add(time.Hour)).Offers {
		require.False(w.t, !offer.Workflow && w.s.Activities.get(offer.ScheduledEventID).Paused, "a paused activity is offered")
	}
}

// stepReset forks the run at some event. The new run obeys the laws, and can go on.
func (w *walker) stepReset() {
	at := 1 + w.pick(len(w.history))
	d, err := Fork(Reset{
		RunID: "forked", RequestID: "reset", Reason: "why", BaseRunID: w.s.RunID,
		Prefix: w.history[:at], Later: w.history[at:],
	}, w.s, w.env())
	w.note("reset behind event %d: %v", at, err)
	if err != nil {
		return
	}
	fork := newRig(w.t)
	fork.now, fork.limits = w.now, w.limits
	fork.shop, fork.routes, fork.builds = w.shop, w.routes, w.builds
	fork.adopt(d)
	if _, err := fork.startTask(); err == nil {
		request := completion(args{}, "marker")
		fork.setWorker(request, args{"behavior": "auto"})
		_, err = fork.complete(request)
		require.NoError(w.t, err)
	}
}

// stepCrash: what a crash forgets is nobody's loss. Workers with forgotten
// tasks are refused, the task is offered again, and all that was promised is there.
func (w *walker) stepCrash() {
	before := w.s
	w.crash()
	w.note("crash: %d events left", len(w.history))
	require.Equal(w.t, promised(before), promised(w.s))
	valid := int64(0) // the stamp of a start that was made durable by what came after it
	if w.s.TaskStarted() {
		valid = w.s.Task.Stamp
	}
	w.refuseOthers(valid)
	if w.s.Open() && w.s.Task != nil && !w.s.TaskStarted() {
		again, err := w.startTask()
		require.NoError(w.t, err, "a task that was forgotten is offered again")
		for _, token := range w.tokens {
			require.NotEqual(w.t, again.Stamp, token.Stamp, "a token of before the crash is good again")
		}
		w.refuseOthers(again.Stamp)
	}
}

// refuseOthers: no worker but the one with the stamp may complete a task.
func (w *walker) refuseOthers(stamp int64) {
	for _, token := range w.tokens {
		if token.Stamp == stamp {
			continue
		}
		_, err := w.do(CompleteTask{ScheduledEventID: token.ScheduledEventID, StartedEventID: token.StartedEventID, Stamp: token.Stamp, Request: completion(args{}, "done")})
		require.EqualError(w.t, err, errTaskNotFound().Error())
	}
}

// promised is what was acknowledged to somebody.
func promised(s *State) string {
	var b strings.Builder
	for _, a := range s.Activities.values() {
		fmt.Fprintf(&b, "activity %d %d %d\n", a.ScheduledEventID, a.Attempt, a.Stamp)
	}
	fmt.Fprintf(&b, "%v %v %v %v %v\n", s.Timers.keys(), s.Children.keys(), s.ExternalSignals.keys(), s.ExternalCancels.keys(), s.Requests.keys())
	fmt.Fprintf(&b, "%v\n", s.SignalRequests.keys())
	for _, u := range s.Updates.values() {
		if u.Stage >= UpdateAccepted {
			fmt.Fprintf(&b, "update %+v\n", *u)
		}
	}
	for _, c := range slices.Concat(s.Callbacks.values(), s.bufferedCallbacks()) {
		fmt.Fprintf(&b, "callback %s %d %+v\n", c.URL(), c.Key(), c.Progress)
	}
	fmt.Fprintf(&b, "%d signals, %d buffered, cancel %t, status %s\n", s.SignalCount, len(s.Buffered), s.CancelRequested, s.ShownStatus())
	return b.String()
}
