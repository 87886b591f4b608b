package deployment

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	"pgregory.net/rapid"

	"perdure/server/match"
)

var epoch = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

// rig is one deployment under test. Every decision it makes must obey the laws.
type rig struct {
	t      require.TestingT
	s      *State
	now    time.Time
	limits Limits
	polled map[string]bool
	active map[Queue]bool
}

func newRig(t require.TestingT) *rig {
	return &rig{
		t: t, now: epoch, limits: Limits{Versions: 4, QueuesPerVersion: 3, MetadataBytes: 100},
		polled: map[string]bool{}, active: map[Queue]bool{},
	}
}

// facts answers exactly what is asked.
func (r *rig) facts(ask Ask) Facts {
	f := Facts{Polled: map[string]bool{}, Active: map[Queue]bool{}}
	for _, build := range ask.Polled {
		f.Polled[build] = r.polled[build]
	}
	for _, q := range ask.Active {
		f.Active[q] = r.active[q]
	}
	return f
}

func encoded(t require.TestingT, s *State) string {
	if s == nil {
		return ""
	}
	b, err := s.Encode()
	require.NoError(t, err)
	return string(b)
}

func (r *rig) do(c Command) (Decision, error) {
	before := encoded(r.t, r.s)
	env := Env{Now: r.now, Name: "shop", Limits: r.limits, Facts: r.facts(Questions(r.s, c, r.limits))}
	d, err := Decide(r.s, c, env)
	require.Equal(r.t, before, encoded(r.t, r.s), "a decision changed the state it was given: %#v", c)
	if err != nil {
		return d, err
	}
	after := encoded(r.t, d.State)
	require.Equal(r.t, before != after, d.Changed && (before != after || !rewrites(c)), "%#v: from %s to %s", c, before, after)
	old := r.s
	r.s = d.State
	if r.s != nil {
		r.invariants()
		r.tokens(old)
	}
	return d, nil
}

// rewrites tells of commands that may write what was there before.
func rewrites(c Command) bool {
	switch c.(type) {
	case UpdateMetadata, NoteLook: // they note who and when
		return true
	}
	return false
}

func (r *rig) invariants() {
	t, s := r.t, r.s
	require.LessOrEqual(t, len(s.Versions), r.limits.Versions)
	require.False(t, s.Routing.HasRamp && s.Routing.Ramping == s.Routing.Current, "a version is current and ramping")
	require.True(t, s.Routing.HasRamp || s.Routing.Percentage == 0 && s.Routing.Ramping == "")
	require.True(t, s.Routing.Current == "" || s.version(s.Routing.Current) != nil)
	require.True(t, s.Routing.Ramping == "" || s.version(s.Routing.Ramping) != nil)
	seen := map[string]bool{}
	for _, v := range s.Versions {
		require.False(t, seen[v.BuildID], "two versions of a name")
		seen[v.BuildID] = true
		require.LessOrEqual(t, len(v.Queues), r.limits.QueuesPerVersion)
		require.Equal(t, s.current(v), !v.CurrentSince.IsZero())
		require.Equal(t, s.ramping(v), !v.RampingSince.IsZero())
		if s.active(v) {
			require.Zero(t, v.Drainage)
			require.True(t, v.LastDeactivation.IsZero())
			require.False(t, v.FirstActivation.IsZero())
		}
	}
	back, err := Decode(s.Name, []byte(encoded(t, s)))
	require.NoError(t, err)
	require.Equal(t, encoded(t, s), encoded(t, back))
	r.describes()
	r.routes()
}

// describes: what clients are told is consistent with itself.
func (r *rig) describes() {
	info := r.s.Describe().WorkerDeploymentInfo
	require.Len(r.t, info.VersionSummaries, len(r.s.Versions))
	for i, v := range info.VersionSummaries {
		require.True(r.t, i == 0 || !v.CreateTime.AsTime().After(info.VersionSummaries[i-1].CreateTime.AsTime()))
		described := r.s.DescribeVersion(v.DeploymentVersion.BuildId).WorkerDeploymentVersionInfo
		require.Equal(r.t, v.Status, described.Status)
		require.Equal(r.t, v.Version, described.Version)
		require.Equal(r.t, v.Status == enumspb.WORKER_DEPLOYMENT_VERSION_STATUS_DRAINING, v.DrainageStatus == enumspb.VERSION_DRAINAGE_STATUS_DRAINING)
	}
	require.Equal(r.t, info.RoutingConfig, r.s.Summary().RoutingConfig)
}

// routes: no task goes to a version that does not serve its queue.
func (r *rig) routes() {
	table := NewTable([]*State{r.s})
	for _, q := range queues {
		for _, key := range []string{"a", "b", "c", "d"} {
			target, _ := table.Target(q, match.Directive{Key: key})
			require.True(r.t, target == match.Version{} || table.Member(q, target))
			for _, v := range r.s.Versions {
				pin := match.Version{Deployment: "shop", BuildID: v.BuildID}
				require.Equal(r.t, v.Has(q), table.Member(q, pin))
				pinned, revision := table.Target(q, match.Directive{Pinned: pin, Key: key})
				require.Equal(r.t, pin, pinned)
				require.Zero(r.t, revision)
				dependent, _ := table.Target(q, match.Directive{Pinned: pin, IfMember: true, Key: key})
				if v.Has(q) {
					require.Equal(r.t, pin, dependent)
				} else {
					require.Equal(r.t, target, dependent)
				}
			}
		}
	}
	require.Empty(r.t, table.Rerouted(table))
}

// tokens: a conflict token lasts exactly as long as routing and manager.
func (r *rig) tokens(old *State) {
	if old == nil {
		return
	}
	same := old.Routing == r.s.Routing && old.Manager == r.s.Manager
	require.Equal(r.t, same, string(old.ConflictToken()) == string(r.s.ConflictToken()))
	require.GreaterOrEqual(r.t, r.s.Routing.Revision, old.Routing.Revision)
}

var queues = []Queue{
	WorkflowQueue("orders"), {Name: "orders", Type: enumspb.TASK_QUEUE_TYPE_ACTIVITY}, WorkflowQueue("mail"),
	{Name: "mail", Type: enumspb.TASK_QUEUE_TYPE_ACTIVITY},
}

func drawCommand(t *rapid.T, s *State) Command {
	build := rapid.SampledFrom([]string{"1", "2", "3", "4", "5"}).Draw(t, "build")
	orNone := rapid.SampledFrom([]string{build, build, build, ""}).Draw(t, "build or none")
	flag := func(name string) bool { return rapid.Bool().Draw(t, name) }
	identity := rapid.SampledFrom([]string{"ann", "bob"}).Draw(t, "identity")
	var token []byte
	if s != nil && flag("token") {
		token = s.ConflictToken()
	}
	return rapid.SampledFrom([]Command{
		Register{BuildID: build, Queue: rapid.SampledFrom(queues).Draw(t, "queue")},
		Create{RequestID: "r", Identity: identity},
		CreateVersion{BuildID: build, RequestID: "r", Identity: identity},
		SetCurrent{BuildID: orNone, Identity: identity, Token: token, IgnoreMissing: flag("ignore"), AllowNoPollers: flag("allow")},
		SetRamping{BuildID: orNone, Percentage: float32(rapid.IntRange(0, 100).Draw(t, "percentage")), Identity: identity, Token: token, IgnoreMissing: flag("ignore"), AllowNoPollers: flag("allow")},
		SetManager{Manager: rapid.SampledFrom([]string{"", "", "ann"}).Draw(t, "manager"), Identity: identity, Token: token},
		UpdateMetadata{BuildID: build, Upsert: map[string]*commonpb.Payload{identity: {Data: []byte(build)}}, Remove: []string{"bob"}, Identity: identity},
		DeleteVersion{BuildID: build, SkipDrainage: flag("skip"), Identity: identity},
		Delete{},
		NoteLook{BuildID: build, Open: flag("open")},
		NotePinned{BuildID: build},
	}).Draw(t, "command")
}

func TestLaws(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		r := newRig(t)
		for range rapid.IntRange(0, 40).Draw(t, "steps") {
			r.now = r.now.Add(time.Duration(rapid.IntRange(0, 3).Draw(t, "seconds")) * time.Second)
			r.polled[rapid.SampledFrom([]string{"1", "2", "3"}).Draw(t, "polled")] = rapid.Bool().Draw(t, "is polled")
			r.active[rapid.SampledFrom(queues).Draw(t, "active")] = rapid.Bool().Draw(t, "is active")
			c := drawCommand(t, r.s)
			if _, err := r.do(c); err != nil {
				continue
			}
			r.again(c)
		}
	})
}

// again: a command that is wanted twice changes nothing the second time.
func (r *rig) again(c Command) {
	if rewrites(c) {
		return
	}
	switch c := c.(type) {
	case SetRamping:
		if c.Token != nil {
			return
		}
	case SetCurrent:
		if c.Token != nil {
			return
		}
	}
	d, err := r.do(c)
	require.NoError(r.t, err, "%#v", c)
	require.False(r.t, d.Changed, "%#v", c)
}

func TestLastSettingCounts(t *testing.T) {
	t.Parallel()
	q := queues[0]
	set := func(name string, at time.Duration, commands ...Command) *State {
		var s *State
		for _, c := range append([]Command{Register{BuildID: "1", Queue: q}}, commands...) {
			d, err := Decide(s, c, Env{Now: epoch.Add(at), Name: name, Limits: newRig(t).limits})
			require.NoError(t, err)
			s = d.State
		}
		return s
	}
	current := SetCurrent{BuildID: "1"}
	early, late := set("a", time.Minute, current), set("b", time.Hour, current)
	unset := set("c", 2*time.Hour, current, SetCurrent{})
	ramp := set("d", time.Second, SetRamping{BuildID: "1", Percentage: 30})
	for _, order := range [][]*State{{early, late, unset, ramp}, {ramp, unset, late, early}} {
		r := NewTable(order).Routing(q)
		require.Equal(t, match.Version{Deployment: "b", BuildID: "1"}, r.Current)
		require.Equal(t, match.Version{Deployment: "d", BuildID: "1"}, r.Ramping)
		require.EqualValues(t, 30, r.Percentage)
		require.Equal(t, epoch.Add(time.Hour), r.UpdatedAt)
	}
	alone := NewTable([]*State{unset}).Routing(q)
	require.Equal(t, match.Version{}, alone.Current)
	require.Equal(t, epoch.Add(2*time.Hour), alone.UpdatedAt)

	require.Equal(t, []Queue{q}, NewTable([]*State{early}).Rerouted(nil))
	require.Equal(t, []Queue{q}, NewTable(nil).Rerouted(NewTable([]*State{early})))
}

// TestRampToNone: a ramp to workers without a version is for the queues of the current one.
func TestRampToNone(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	for _, c := range []Command{
		Register{BuildID: "1", Queue: queues[0]}, Register{BuildID: "2", Queue: queues[2]},
		SetCurrent{BuildID: "1"}, SetRamping{Percentage: 100},
	} {
		_, err := r.do(c)
		require.NoError(t, err)
	}
	table := NewTable([]*State{r.s})
	require.True(t, table.Routing(queues[0]).HasRamp)
	require.False(t, table.Routing(queues[2]).HasRamp)
	target, _ := table.Target(queues[0], match.Directive{Key: "w"})
	require.Equal(t, match.Version{}, target)
}

func FuzzDecode(f *testing.F) {
	r := newRig(f)
	for _, c := range []Command{Register{BuildID: "1", Queue: queues[0]}, SetCurrent{BuildID: "1"}} {
		_, err := r.do(c)
		require.NoError(f, err)
	}
	f.Add([]byte(encoded(f, r.s)))
	f.Add([]byte(`{"versions":[{"buildId":"1","queues":[3]}]}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := Decode("shop", b)
		if err != nil {
			require.ErrorIs(t, err, ErrCorrupt)
			return
		}
		if _, err := s.Encode(); err != nil {
			return // a time or a text that JSON cannot have
		}
		require.NotNil(t, s.Describe())
		require.NotNil(t, NewTable([]*State{s}))
	})
}

func TestEvictionSparesThoseInUse(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	step := func(c Command) error {
		r.now = r.now.Add(time.Second)
		_, err := r.do(c)
		return err
	}
	for build := range r.limits.Versions {
		require.NoError(t, step(Register{BuildID: fmt.Sprint(build), Queue: queues[0]}))
	}
	require.NoError(t, step(SetCurrent{BuildID: "0"}))
	r.polled["1"] = true
	require.NoError(t, step(NotePinned{BuildID: "2"}))
	require.NoError(t, step(Register{BuildID: "new", Queue: queues[0]}))
	var left []string
	for _, v := range r.s.Versions {
		left = append(left, v.BuildID)
	}
	require.True(t, slices.Equal(left, []string{"0", "1", "2", "new"}), left)
	r.polled["new"] = true
	require.ErrorContains(t, step(Register{BuildID: "newer", Queue: queues[0]}), "maximum of 4 versions, all in use")
}
