package load

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	taskqueuepb "go.temporal.io/api/taskqueue/v1"
	"go.temporal.io/api/workflowservice/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
)

const (
	// identity is what the generator's calls say they come from.
	identity = "bench"
	// connections carry all calls: few, since each costs goroutines and system calls on both sides.
	connections = 4
	// leastPollers and mostPollers bound the pollers of each kind; between them there is one for each caller.
	leastPollers, mostPollers = 4, 32
	// windowBytes is the flow control window; a fixed one spares the estimation.
	windowBytes = 1 << 20
	// messageBytesMax takes histories with large payloads.
	messageBytesMax = 64 << 20
	// errorsMax ends a run that does not work.
	errorsMax = 1000
)

// Options say how a scenario is played. What is 0 takes the scenario's own default.
type Options struct {
	Address, Namespace string
	// Inflight is the number of callers: of a closed loop all make units all the time, of an open one as many as needed.
	Inflight int
	// Rate is how many units are due a second; 0 is a closed loop, unless the scenario has a rate by nature.
	Rate float64
	// Warmup is not measured, Duration is.
	Warmup, Duration time.Duration
	// Count is how many workflows, tasks or queues the scenario is about, if it is about a number.
	Count int
	// Sticky lets raw workers remember runs, as SDKs do.
	Sticky bool
	// Pollers of each kind; 0: one for each caller within bounds, or the SDK's default.
	Pollers int
	// Tell, unless nil, is told how a long scenario gets on.
	Tell func(format string, arguments ...any)
}

// Hooks are called at the two ends of the measured time.
type Hooks struct {
	Open, Close func(context.Context) error
	// Live, unless nil, gets a function that returns what is measured so far, before it begins.
	Live func(func() Distribution)
}

// Session plays one scenario against one server.
type Session struct {
	Options
	scenario Scenario
	prefix   string
	queue    *taskqueuepb.TaskQueue
	channels []*grpc.ClientConn
	services []workflowservice.WorkflowServiceClient
	hooks    Hooks
	main     *track
	parts    []*track

	ids      atomic.Int64
	failures atomic.Int64
	mutex    sync.Mutex
	firstErr error
}

// NewSession connects lazily: a server that is not there shows in Play.
func NewSession(scenario Scenario, options Options) (*Session, error) {
	options.Inflight = cmp.Or(options.Inflight, scenario.Inflight)
	options.Rate = cmp.Or(options.Rate, scenario.Rate)
	if options.Count = cmp.Or(options.Count, scenario.Count); scenario.Count == 0 {
		options.Count = 0
	}
	if options.Tell == nil {
		options.Tell = func(string, ...any) {}
	}
	prefix := "bench-" + strconv.FormatInt(time.Now().UnixNano(), 36) + "-"
	s := &Session{
		Options: options, scenario: scenario, prefix: prefix, queue: queueNamed(prefix + scenario.Name),
		main: &track{name: scenario.Unit, window: &window{}},
	}
	for range connections {
		channel, err := Dial(options.Address)
		if err != nil {
			return nil, errors.Join(err, s.Close())
		}
		s.channels = append(s.channels, channel)
		s.services = append(s.services, workflowservice.NewWorkflowServiceClient(channel))
	}
	return s, nil
}

// Dial makes a channel as the generator uses it.
func Dial(address string) (*grpc.ClientConn, error) {
	return grpc.NewClient(address, grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithInitialWindowSize(windowBytes), grpc.WithInitialConnWindowSize(4*windowBytes),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(messageBytesMax)))
}

func queueNamed(name string) *taskqueuepb.TaskQueue { return &taskqueuepb.TaskQueue{Name: name} }

// Close frees the connections.
func (s *Session) Close() error {
	var errs []error
	for _, channel := range s.channels {
		errs = append(errs, channel.Close())
	}
	return errors.Join(errs...)
}

func (s *Session) service(number int) workflowservice.WorkflowServiceClient {
	return s.services[number%connections]
}

func (s *Session) pollerCount() int {
	return cmp.Or(s.Pollers, min(max(s.Inflight, leastPollers), mostPollers))
}

// Outcome is what one play measured.
type Outcome struct {
	// Options are those in force, defaults filled in.
	Options Options
	Main    Series
	Parts   []Series
	// Failed is how many units or polls failed, FirstErr the first reason.
	Failed   int64
	FirstErr error
}

// Play runs the scenario. With an error there may be an outcome, too.
func (s *Session) Play(ctx context.Context, hooks Hooks) (Outcome, error) {
	s.hooks = hooks
	if hooks.Live != nil {
		hooks.Live(s.main.histogram.Snapshot)
	}
	err := s.scenario.play(s, ctx)
	outcome := Outcome{Options: s.Options, Main: s.main.series(), Failed: s.failures.Load(), FirstErr: s.firstError()}
	for _, part := range s.parts {
		outcome.Parts = append(outcome.Parts, part.series())
	}
	return outcome, errors.Join(err, s.trouble())
}

// part is a further series with a window of its own.
func (s *Session) part(name string) *track {
	t := &track{name: name, window: &window{}}
	s.parts = append(s.parts, t)
	return t
}

// beside is a further series that is measured at the same time as the main one.
func (s *Session) beside(name string) *track {
	t := s.part(name)
	t.window = s.main.window
	return t
}

// measure opens a track's window while during runs; around the main one the hooks are called.
func (s *Session) measure(ctx context.Context, t *track, during func(context.Context) error) error {
	if t != s.main {
		t.window.open()
		defer t.window.close()
		return during(ctx)
	}
	if err := s.hooks.Open(ctx); err != nil {
		return err
	}
	t.window.open()
	err := during(ctx)
	t.window.close()
	return errors.Join(err, s.hooks.Close(ctx))
}

// measureFor measures for a time after the warm-up.
func (s *Session) measureFor(ctx context.Context, t *track, duration time.Duration) error {
	if err := pause(ctx, s.Warmup); err != nil {
		return err
	}
	return s.measure(ctx, t, func(ctx context.Context) error { return pause(ctx, duration) })
}

func (s *Session) fail(err error) {
	s.failures.Add(1)
	s.mutex.Lock()
	defer s.mutex.Unlock()
	if s.firstErr == nil {
		s.firstErr = err
	}
}

func (s *Session) firstError() error {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	return s.firstErr
}

func (s *Session) healthy() bool { return s.failures.Load() < errorsMax }

// trouble is an error when nothing or hardly anything worked.
func (s *Session) trouble() error {
	if err := s.firstError(); err != nil && (!s.healthy() || s.main.done.Load() == 0) {
		return fmt.Errorf("%s: %d calls failed, the first with: %w", s.scenario.Name, s.failures.Load(), err)
	}
	return nil
}
