package diagnosis

import (
	"slices"
	"strings"
	"time"

	"perdure/server/match"
)

// refusedLately is how long a refused call counts: as long as a poll may take.
const refusedLately = time.Minute

// waiting looks at a task that waits for a worker. subject is the activity; empty for workflow tasks.
func (d *diagnosing) waiting(r Route, subject string, since time.Time) {
	q := d.f.queue(r)
	served := q.version(r.Version)
	if len(served.Pollers) == 0 {
		if d.f.Now.Sub(since) > min(d.f.Patience, unservedPatience) {
			d.throttled()
			d.unserved(r, subject, since)
		}
		return
	}
	if d.heldBack(&q, served, r, subject, since) || !d.tooLong(since) {
		return
	}
	d.throttled()
	evidence := d.place(&q, r, is("waiting", served.Waiting), is("oldest", max(served.Oldest, d.f.Now.Sub(since))), is("taken", served.Taken), is("added", served.Added),
		is("pollers", len(served.Pollers)), is("identity", identities(served.Pollers)))
	if last := lastPoll(served.Pollers, d.f.Now); d.f.Now.Sub(last) > d.f.Patience {
		d.add(PollersSilent, subject, since, append(evidence, is("silent", d.f.Now.Sub(last)))...)
		return
	}
	d.add(BacklogOld, subject, since, evidence...)
}

// unservedPatience is how long a task may wait where no worker is: one that starts is there sooner.
const unservedPatience = 3 * time.Second

// place is what is told of a queue in any case, after what is special.
func (d *diagnosing) place(q *Queue, r Route, special ...Evidence) []Evidence {
	return append(special, is("queue", q.Name), is("kind", r.kind()), is("version", r.Version))
}

// heldBack looks at rates.
func (d *diagnosing) heldBack(q *Queue, served QueueVersion, r Route, subject string, since time.Time) bool {
	evidence := d.place(q, r, is("waiting", served.Waiting))
	switch {
	case q.PerSecond != nil && *q.PerSecond == 0:
		d.add(QueuePaused, subject, since, append(evidence, is("setby", q.SetBy))...)
	case !d.tooLong(since):
		return false
	case q.KeyPerSecond != nil && served.holds(r.FairnessKey):
		d.add(KeyRateLimited, subject, since, append(evidence, is("key", r.FairnessKey), is("rate", *q.KeyPerSecond))...)
	case served.Limited && q.PerSecond != nil:
		d.add(QueueRateLimited, subject, since, append(evidence, is("rate", *q.PerSecond), is("setby", q.SetBy))...)
	default:
		return false
	}
	return true
}

// holds tells whether the rate of a fairness key holds its tasks back.
func (v QueueVersion) holds(key string) bool {
	return slices.Contains(v.HeldKeys, match.LaneOf(match.DefaultPriority, key).Key()) ||
		slices.Contains(v.HeldKeys, match.SharedLane(match.DefaultPriority, key).Key())
}

// throttled tells that workers' calls may be refused.
func (d *diagnosing) throttled() {
	n := d.f.Namespace
	if n.Refused == 0 || d.f.Now.Sub(n.RefusedAt) > refusedLately || d.has(NamespaceThrottled) {
		return
	}
	d.add(NamespaceThrottled, "", time.Time{}, is("refused", n.Refused), is("last", stamp(n.RefusedAt)))
}

func (d *diagnosing) has(code Code) bool {
	return slices.ContainsFunc(d.causes, func(c Cause) bool { return c.Code == code })
}

// unserved says why no worker gets the tasks of a route.
func (d *diagnosing) unserved(r Route, subject string, since time.Time) {
	q := d.f.queue(r)
	served := servedVersions(&q)
	evidence := d.place(&q, r, is("served", strings.Join(served, ", ")), is("other", otherKind(r)))
	code, pollers := NoPoller, []Poller(nil)
	switch {
	case r.Version.Deployment != "" && r.Pinned:
		code = PinnedVersionUnserved
	case r.Version.Deployment != "":
		code = VersionUnserved
	case r.Version.BuildID != "":
		code = BuildUnserved
	case slices.ContainsFunc(q.Versions, func(v QueueVersion) bool { return v.Version.Deployment != "" && len(v.Pollers) > 0 }):
		code = VersionNotCurrent
	case len(served) > 0:
		code = BuildWithoutRule
	case len(q.OwnSticky) > 0:
		code, pollers = StickyPollersOnly, q.OwnSticky
	case len(q.OtherKind) > 0:
		code, pollers = OtherPollersOnly, q.OtherKind
	}
	d.add(code, subject, since, append(evidence, is("identity", identities(pollers)))...)
}

// servedVersions are the versions that workers poll for.
func servedVersions(q *Queue) []string {
	var names []string
	for _, v := range q.Versions {
		if len(v.Pollers) > 0 && v.Version != (match.Version{}) {
			names = append(names, v.Version.String())
		}
	}
	slices.Sort(names)
	return names
}

func otherKind(r Route) string {
	r.Activity = !r.Activity
	return r.kind()
}

// identities names a few workers.
func identities(pollers []Poller) string {
	var names []string
	for _, p := range pollers {
		names = append(names, p.Identity)
	}
	slices.Sort(names)
	const few = 3
	if len(names) > few {
		names = append(names[:few:few], "…")
	}
	return strings.Join(names, ", ")
}

func lastPoll(pollers []Poller, now time.Time) (last time.Time) {
	for _, p := range pollers {
		if p.Open {
			return now
		}
		if p.Last.After(last) {
			last = p.Last
		}
	}
	return last
}
