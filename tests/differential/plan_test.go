package differential

import (
	"fmt"
	"math/rand/v2"
	"strings"
)

const (
	// workflows is how many workflow ids a plan plays with: enough for parents, children and targets of signals.
	workflows = 3
	// stepsLeast and stepsMost bound the length of a generated plan.
	stepsLeast, stepsMost = 12, 40
)

// step is one move of a client or worker. What it does in detail follows from Seed and from what the server showed so far, so
// that any step can be dropped from a plan and the rest still makes sense.
type step struct {
	Kind     string
	Workflow int
	Seed     uint64
}

func (s step) String() string { return fmt.Sprintf("%s w%d seed %d", s.Kind, s.Workflow, s.Seed) }

type plan []step

func (p plan) String() string {
	lines := make([]string, len(p))
	for i, s := range p {
		lines[i] = fmt.Sprintf("%3d %s", i, s)
	}
	return strings.Join(lines, "\n")
}

// without is the plan less its step i.
func (p plan) without(i int) plan {
	return append(append(plan{}, p[:i]...), p[i+1:]...)
}

// weights say how often a kind of step is drawn; a slice, as the order of a map is random.
var weights = []struct {
	kind   string
	weight int
}{
	{"start", 6}, {"signal", 7}, {"signalWithStart", 3}, {"cancel", 3}, {"terminate", 2}, {"reset", 3}, {"update", 8},
	{"history", 2}, {"pollWorkflow", 22}, {"completeWorkflow", 26}, {"failWorkflow", 3}, {"pollActivity", 8},
	{"completeActivity", 4}, {"failActivity", 4}, {"cancelActivity", 2}, {"heartbeatActivity", 3}, {"activityByID", 3},
	{"operateActivity", 5}, {"updateOptions", 2}, {"query", 4}, {"resetSticky", 1}, {"updateWithStart", 3}, {"pollUpdate", 2},
	{"pauseRun", 2}, {"unpauseRun", 3}, {"list", 2},
}

// newPlan draws the plan of a seed.
func newPlan(seed uint64) plan {
	random := rand.New(rand.NewPCG(seed, 1))
	steps := plan{{Kind: "start", Workflow: 0, Seed: random.Uint64N(1 << 32)}}
	for length := stepsLeast + random.IntN(stepsMost-stepsLeast+1); len(steps) < length; {
		steps = append(steps, step{Kind: drawKind(random), Workflow: drawWorkflow(random), Seed: random.Uint64N(1 << 32)})
	}
	return steps
}

func drawKind(random *rand.Rand) string {
	total := 0
	for _, w := range weights {
		total += w.weight
	}
	left := random.IntN(total)
	for _, w := range weights {
		if left -= w.weight; left < 0 {
			return w.kind
		}
	}
	panic("unreachable: left is below the total")
}

// drawWorkflow prefers the first, so that long stories happen.
func drawWorkflow(random *rand.Rand) int {
	if random.IntN(10) < 6 {
		return 0
	}
	return random.IntN(workflows)
}
