package diagnosis

import (
	"fmt"
	"strings"
	"time"

	"perdure/server/match"
)

// Diagnose says why the run does not come on, or that it does.
func Diagnose(f *Facts) *Report {
	d := &diagnosing{f: f}
	d.owner()
	if f.Run.RunID != "" {
		d.run()
	}
	rank(d.causes)
	return &Report{
		Namespace: f.Namespace.Name, WorkflowID: f.Run.WorkflowID, RunID: f.Run.RunID, Type: f.Run.Type, Status: f.Run.Status,
		LastProgress: f.Run.LastProgress, Causes: d.causes, Verdict: verdict(f.Run.Open, d.causes),
	}
}

// diagnosing gathers causes.
type diagnosing struct {
	f      *Facts
	causes []Cause
}

// add notes a cause. The texts are those of its spec, filled with the evidence.
func (d *diagnosing) add(code Code, subject string, since time.Time, evidence ...Evidence) *Cause {
	spec := specs[placeOf(code)]
	fill := d.filler(since, evidence)
	if !since.IsZero() {
		evidence = append(evidence, Evidence{"since", stamp(since)})
	}
	d.causes = append(d.causes, Cause{
		Code: code, Class: spec.Class, Subject: subject, Since: since, Evidence: evidence,
		Sentence: fill.Replace(spec.Sentence), Next: fill.Replace(spec.Next), Runbook: spec.Runbook,
	})
	return &d.causes[len(d.causes)-1]
}

func (d *diagnosing) filler(since time.Time, evidence []Evidence) *strings.Replacer {
	pairs := []string{"{namespace}", d.f.Namespace.Name, "{workflow}", d.f.Run.WorkflowID, "{run}", d.f.Run.RunID, "{waits}", span(d.f.Now.Sub(since))}
	for _, e := range evidence {
		pairs = append(pairs, "{"+e.Name+"}", e.Value)
	}
	return strings.NewReplacer(pairs...)
}

// is makes evidence of a value.
func is(name string, value any) Evidence {
	text := ""
	switch v := value.(type) {
	case time.Duration:
		text = span(v)
	case match.Version:
		text = v.String()
	case float64:
		text = fmt.Sprintf("%.3g", v)
	default:
		text = fmt.Sprint(v)
	}
	if text == "" {
		text = "none given"
	}
	return Evidence{name, text}
}

// span is a duration as people say it: two units at most.
func span(d time.Duration) string {
	unit := time.Millisecond
	switch {
	case d < 0:
		d = 0
	case d >= 48*time.Hour:
		return fmt.Sprintf("%dd%dh", d/(24*time.Hour), d%(24*time.Hour)/time.Hour)
	case d >= time.Hour:
		unit = time.Minute
	case d >= 10*time.Second:
		unit = time.Second
	}
	text := d.Round(unit).String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// when is a time to come as people say it.
func (d *diagnosing) when(t time.Time) string {
	if t.IsZero() {
		return "never"
	}
	if !t.After(d.f.Now) {
		return "now"
	}
	return fmt.Sprintf("in %s, at %s", span(t.Sub(d.f.Now)), stamp(t))
}

// tooLong tells whether something that began then has taken longer than it may.
func (d *diagnosing) tooLong(since time.Time) bool {
	return !since.IsZero() && d.f.Now.Sub(since) > d.f.Patience
}

// owner looks at what serves the run.
func (d *diagnosing) owner() {
	owner := d.f.Owner
	switch {
	case owner.Unowned:
		d.add(ShardUnowned, "", time.Time{}, is("slot", owner.Slot))
	case owner.Failing != "":
		d.add(CommitsFailing, "", owner.FailedAt, is("error", owner.Failing))
	}
}
