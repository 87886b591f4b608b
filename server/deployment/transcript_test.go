package deployment

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"
	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
)

// TestTranscripts runs the stories in testdata. Each step is one command; what
// follows is the deployment as its clients see it. Rewrite them with
//
//	go test ./server/deployment -run TestTranscripts -rewrite
//
// and review the difference.
func TestTranscripts(t *testing.T) {
	t.Parallel()
	datadriven.Walk(t, "testdata/stories", func(t *testing.T, path string) {
		story := &story{rig: newRig(t), kept: map[string][]byte{}}
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			story.rig.t = t
			return story.step(d)
		})
	})
}

type story struct {
	rig  *rig
	kept map[string][]byte // conflict tokens
}

type args map[string]string

func (a args) has(key string) bool { _, ok := a[key]; return ok }

func (s *story) step(d *datadriven.TestData) string {
	a := args{}
	for _, arg := range d.CmdArgs {
		a[arg.Key] = strings.Join(arg.Vals, ",")
	}
	r := s.rig
	switch d.Cmd {
	case "advance":
		by, err := time.ParseDuration(a["by"])
		if err != nil {
			panic(err)
		}
		r.now = r.now.Add(by)
		due := []string{}
		if r.s != nil {
			due = r.s.DueLooks(r.now, DrainageRules{Grace: 3 * time.Minute, Interval: time.Minute})
		}
		return fmt.Sprintf("now +%s, to look at: %v\n", r.now.Sub(epoch), due)
	case "polled":
		r.polled[a["build"]] = a["by"] != "nobody"
		return ""
	case "active":
		r.active[queueOf(a)] = true
		return ""
	case "keep-token":
		s.kept[a["as"]] = r.s.ConflictToken()
		return ""
	}
	decision, err := r.do(s.command(d.Cmd, a))
	if err != nil {
		return "error: " + err.Error() + "\n"
	}
	return r.show(decision)
}

func queueOf(a args) Queue {
	q := Queue{Name: a["queue"], Type: enumspb.TASK_QUEUE_TYPE_WORKFLOW}
	if a.has("activities") {
		q.Type = enumspb.TASK_QUEUE_TYPE_ACTIVITY
	}
	return q
}

func (s *story) command(name string, a args) Command {
	token := s.kept[a["token"]]
	switch name {
	case "register":
		return Register{BuildID: a["build"], Queue: queueOf(a)}
	case "create":
		return Create{RequestID: a["request"], Identity: a["identity"]}
	case "create-version":
		return CreateVersion{BuildID: a["build"], RequestID: a["request"], Identity: a["identity"]}
	case "set-current":
		return SetCurrent{BuildID: a["build"], Identity: a["identity"], Token: token, IgnoreMissing: a.has("ignore-missing"), AllowNoPollers: a.has("allow-no-pollers")}
	case "set-ramping":
		var percentage float32
		if a.has("percentage") {
			if _, err := fmt.Sscan(a["percentage"], &percentage); err != nil {
				panic(err)
			}
		}
		return SetRamping{BuildID: a["build"], Percentage: percentage, Identity: a["identity"], Token: token, IgnoreMissing: a.has("ignore-missing"), AllowNoPollers: a.has("allow-no-pollers")}
	case "set-manager":
		return SetManager{Manager: a["manager"], Identity: a["identity"], Token: token}
	case "metadata":
		return UpdateMetadata{BuildID: a["build"], Identity: a["identity"], Remove: strings.Fields(a["remove"]), Upsert: upsertOf(a)}
	case "delete-version":
		return DeleteVersion{BuildID: a["build"], SkipDrainage: a.has("skip-drainage"), Identity: a["identity"]}
	case "delete":
		return Delete{}
	case "look":
		return NoteLook{BuildID: a["build"], Open: a.has("open")}
	case "pinned":
		return NotePinned{BuildID: a["build"]}
	}
	panic("no such step: " + name)
}

func upsertOf(a args) map[string]*commonpb.Payload {
	if !a.has("set") {
		return nil
	}
	key, value, _ := strings.Cut(a["set"], "/")
	return map[string]*commonpb.Payload{key: {Data: []byte(value)}}
}

// show is the deployment with times since the story began.
func (r *rig) show(d Decision) string {
	var b strings.Builder
	if !d.Changed {
		b.WriteString("(nothing changed)\n")
	}
	if former, ok := d.Reply.(Routing); ok && d.Changed {
		fmt.Fprintf(&b, "before: %s\n", showRouting(former))
	}
	if r.s == nil {
		return b.String() + "no deployment\n"
	}
	fmt.Fprintf(&b, "routing: %s, revision %d\n", showRouting(r.s.Routing), r.s.Routing.Revision)
	if r.s.Manager != "" {
		fmt.Fprintf(&b, "manager: %s\n", r.s.Manager)
	}
	for _, v := range r.s.newestFirst() {
		fmt.Fprintf(&b, "%s: %s", v.BuildID, r.s.Status(v))
		for _, at := range []struct {
			name string
			time time.Time
		}{{"current since", v.CurrentSince}, {"ramping since", v.RampingSince}, {"left", v.LastDeactivation}, {"checked", v.DrainageChecked}} {
			if !at.time.IsZero() {
				fmt.Fprintf(&b, ", %s +%s", at.name, at.time.Sub(epoch))
			}
		}
		for _, q := range v.Queues {
			fmt.Fprintf(&b, " [%s %s]", q.Name, q.Type)
		}
		if len(v.Metadata) > 0 {
			keys := []string{}
			for key, value := range v.Metadata {
				keys = append(keys, key+"="+string(value.Data))
			}
			slices.Sort(keys)
			fmt.Fprintf(&b, " {%s}", strings.Join(keys, " "))
		}
		b.WriteString("\n")
	}
	return b.String()
}

func showRouting(r Routing) string {
	name := func(build string) string {
		if build == "" {
			return "none"
		}
		return build
	}
	if !r.HasRamp {
		return name(r.Current)
	}
	return fmt.Sprintf("%s, %v%% to %s", name(r.Current), r.Percentage, name(r.Ramping))
}
