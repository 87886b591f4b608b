package sim

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	commonpb "go.temporal.io/api/common/v1"
)

// plan is what a workflow is to do, step by step, and then how many signals it waits for.
type plan struct {
	Steps   []step
	Signals int
	// Done are the outcomes of steps that earlier runs of the chain took.
	Done []string
}

// step is one of: an activity, a timer, a child, a new run.
type step struct {
	Activity *activityStep
	Timer    time.Duration
	Child    *plan
	Again    bool
}

// activityStep fails at first so many times. With Once it has one attempt only.
type activityStep struct {
	Failures int
	Once     bool
}

// randomPlan makes a plan of up to so many steps; depth bounds children of children.
func randomPlan(random *rand.Rand, depth int) *plan {
	p := &plan{Signals: random.IntN(3)}
	for range 1 + random.IntN(4) {
		switch kind := random.IntN(10); {
		case kind < 4:
			a := &activityStep{Once: random.IntN(2) == 0}
			if !a.Once {
				a.Failures = random.IntN(3)
			}
			p.Steps = append(p.Steps, step{Activity: a})
		case kind < 7:
			p.Steps = append(p.Steps, step{Timer: randomTimer(random)})
		case kind < 9 && depth > 0:
			child := randomPlan(random, depth-1)
			child.Signals = 0 // nobody knows it
			p.Steps = append(p.Steps, step{Child: child})
		default:
			p.Steps = append(p.Steps, step{Again: true})
		}
	}
	return p
}

// randomTimer is between a second and twelve hours, on both sides of the look-ahead window.
func randomTimer(random *rand.Rand) time.Duration {
	return []time.Duration{time.Second, 10 * time.Second, 2 * time.Minute, 15 * time.Minute, 25 * time.Minute, 12 * time.Hour}[random.IntN(6)]
}

// result is what the plan must come to, as a regular expression.
func (p *plan) result() string {
	var parts []string
	for _, s := range p.Steps {
		switch {
		case s.Activity != nil && s.Activity.Once:
			parts = append(parts, "(ok|lost)") // its one attempt may die with a node
		case s.Child != nil:
			parts = append(parts, `\[`+s.Child.result()+`\]`)
		case s.Again:
		default:
			parts = append(parts, "ok")
		}
	}
	return strings.Join(parts, " ")
}

func encode(v any) *commonpb.Payloads {
	b, err := json.Marshal(v)
	if err != nil {
		panic(fmt.Sprint("a plan does not encode: ", err))
	}
	return &commonpb.Payloads{Payloads: []*commonpb.Payload{{Data: b}}}
}

func decode(p *commonpb.Payloads, v any) {
	if err := json.Unmarshal(p.GetPayloads()[0].GetData(), v); err != nil {
		panic(fmt.Sprint("a payload came back changed: ", err))
	}
}
