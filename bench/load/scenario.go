package load

import (
	"context"
	"fmt"
	"slices"
	"time"

	"go.temporal.io/api/workflowservice/v1"
)

// Scenario is one kind of load. Its unit is what is counted and timed.
type Scenario struct {
	Name, About, Unit string
	// Inflight, Rate and Count are taken unless Options say otherwise.
	Inflight int
	Rate     float64
	Count    int

	play func(*Session, context.Context) error
}

// What raw workflows do, by workflow type.
var (
	noop          = &program{name: "noop"}
	oneActivity   = &program{name: "one-activity", activities: 1}
	tenActivities = &program{name: "ten-activities", activities: 10}
	threeChildren = &program{name: "children", children: 3}
	shortTimer    = &program{name: "timer-1ms", timer: time.Millisecond}
	longTimer     = &program{name: "timer-100ms", timer: 100 * time.Millisecond}
	large         = &program{name: "large-payload", result: largePayload()}
	open          = &program{name: "open", open: true}
)

const inflightDefault = 64

// Scenarios are all there are, in the order of the README.
var Scenarios = slices.Concat(rawScenarios, specialScenarios, sdkScenarios)

var rawScenarios = []Scenario{
	{Name: "noop", About: "a workflow that completes at once", Unit: "workflow", Inflight: inflightDefault, play: workflowsOf(noop)},
	{Name: "one-activity", About: "a workflow with one activity", Unit: "workflow", Inflight: inflightDefault, play: workflowsOf(oneActivity)},
	{
		Name: "ten-activities", About: "a workflow with ten activities, one after the other", Unit: "workflow", Inflight: inflightDefault,
		play: workflowsOf(tenActivities),
	},
	{
		Name: "signals", About: "signals, all to one workflow; the next takes its place after 2,000", Unit: "signal", Inflight: inflightDefault,
		play: steady(func(s *Session) unit { return s.signals(s.Inflight, signalsPerRun) }, open),
	},
	{
		Name: "updates", About: "updates, each caller to its own workflow, until they are completed", Unit: "update", Inflight: inflightDefault,
		play: steady(func(s *Session) unit { return s.updates(s.Inflight) }, open),
	},
	{
		Name: "children", About: "a workflow with three children at the same time", Unit: "workflow", Inflight: inflightDefault,
		play: workflowsOf(threeChildren, noop),
	},
	{Name: "large-payload", About: "a workflow with 64 KiB of input and of result", Unit: "workflow", Inflight: inflightDefault, play: workflowsOf(large)},
	{Name: "timer-1ms", About: "a workflow with a timer of 1 ms; how late the timers are", Unit: "workflow", Inflight: 16, play: timers(shortTimer)},
	{Name: "timer-100ms", About: "the same with 100 ms", Unit: "workflow", Inflight: 16, play: timers(longTimer)},
}

// Find returns the scenario of that name.
func Find(name string) (Scenario, error) {
	names := make([]string, len(Scenarios))
	for i, s := range Scenarios {
		if names[i] = s.Name; s.Name == name {
			return s, nil
		}
	}
	return Scenario{}, fmt.Errorf("unknown scenario %q, one of %v", name, names)
}

// workflowsOf plays the first program; workers know the others, too.
func workflowsOf(programs ...*program) func(*Session, context.Context) error {
	return steady(func(s *Session) unit { return s.workflows("run", s.Inflight, programs[0]) }, programs...)
}

// steady makes the same units all the time.
func steady(units func(*Session) unit, programs ...*program) func(*Session, context.Context) error {
	return func(s *Session, ctx context.Context) error {
		defer s.newWorker(s.queue, programs...).start(ctx)()
		return s.steadily(ctx, units(s))
	}
}

// steadily makes units, warms up, measures, and waits until what is in flight is done.
func (s *Session) steadily(ctx context.Context, u unit) error {
	l := &loop{session: s, track: s.main, unit: u, inflight: s.Inflight, rate: s.Rate}
	defer l.start(ctx).stop()
	return s.measureFor(ctx, s.main, s.Duration)
}

// timers tells beside the latency of workflows how late their timers are: from the time that the server's own event of the timer's
// start promises until a worker has the task that tells of its firing. Both clocks must be the same machine's.
func timers(p *program) func(*Session, context.Context) error {
	return func(s *Session, ctx context.Context) error {
		lateness := s.beside("timer's lateness")
		w := s.newWorker(s.queue, p)
		w.seen = func(_ *workflowservice.PollWorkflowTaskQueueResponse, at *progress) {
			if at.timersDone > 0 {
				lateness.add(time.Since(at.timerDue))
			}
		}
		defer w.start(ctx)()
		return s.steadily(ctx, s.workflows("run", s.Inflight, p))
	}
}
