package deployment

import (
	"time"

	"go.temporal.io/api/serviceerror"
)

func (t *transition) setCurrent(c SetCurrent) error {
	if t.s == nil && (c.BuildID == "" || !c.AllowNoPollers) {
		return t.errNoDeployment()
	}
	if err := t.checkManager(c.Identity); err != nil {
		return err
	}
	t.open()
	t.reply = t.s.Routing
	if c.BuildID == t.s.Routing.Current {
		return nil
	}
	if err := t.checkToken(c.Token); err != nil {
		return err
	}
	next, err := t.versionOf(c.BuildID, c.AllowNoPollers)
	if err != nil {
		return err
	}
	if err := t.checkMissing(c.BuildID, "current", c.IgnoreMissing); err != nil {
		return err
	}
	former := t.s.version(t.s.Routing.Current)
	if t.s.Routing.HasRamp && t.s.Routing.Ramping == c.BuildID {
		t.endRamp() // it gets everything now
	}
	t.s.Routing.Current, t.s.Routing.CurrentChanged = c.BuildID, t.env.Now
	if former != nil {
		former.CurrentSince = time.Time{}
		t.deactivate(former)
	}
	if next != nil {
		t.activate(next)
		next.RampingSince = time.Time{}
		next.CurrentSince, next.LastCurrent = t.env.Now, t.env.Now
	}
	t.rerouted(c.Identity)
	return nil
}

func (t *transition) rerouted(identity string) {
	t.s.Routing.Revision++
	t.changedBy(identity)
}

// endRamp takes the ramp out of the routing. What becomes of its version is the caller's.
func (t *transition) endRamp() {
	r := &t.s.Routing
	r.Ramping, r.HasRamp, r.Percentage = "", false, 0
	r.RampingChanged, r.PercentageChanged = t.env.Now, t.env.Now
}

func (t *transition) setRamping(c SetRamping) error {
	switch {
	case !(c.Percentage >= 0 && c.Percentage <= 100): // also what is not a number
		return serviceerror.NewInvalidArgument("Percentage must be between 0 and 100 (inclusive)")
	case t.s == nil && (c.BuildID == "" || !c.AllowNoPollers):
		return t.errNoDeployment()
	}
	if err := t.checkManager(c.Identity); err != nil {
		return err
	}
	t.open()
	t.reply = t.s.Routing
	ends := c.BuildID == "" && c.Percentage == 0
	former := t.s.Routing
	switch {
	case ends && !former.HasRamp:
		return nil
	case !ends && former.HasRamp && former.Ramping == c.BuildID && former.Percentage == c.Percentage:
		return nil
	case !ends && c.BuildID == former.Current:
		return serviceerror.NewFailedPreconditionf("requested ramping version %s is already current", t.s.Named(c.BuildID).Dotted())
	}
	if err := t.checkToken(c.Token); err != nil {
		return err
	}
	if ends {
		t.stopRamp()
		t.rerouted(c.Identity)
		return nil
	}
	return t.ramp(c)
}

// stopRamp ends the ramp and, with it, the new work of its version.
func (t *transition) stopRamp() {
	if !t.s.Routing.HasRamp {
		return
	}
	former := t.s.version(t.s.Routing.Ramping)
	t.endRamp()
	if former != nil {
		former.RampingSince = time.Time{}
		t.deactivate(former)
	}
}

func (t *transition) ramp(c SetRamping) error {
	next, err := t.versionOf(c.BuildID, c.AllowNoPollers)
	if err != nil {
		return err
	}
	r := &t.s.Routing
	if !r.HasRamp || r.Ramping != c.BuildID {
		if err := t.checkMissing(c.BuildID, "ramping", c.IgnoreMissing); err != nil {
			return err
		}
		t.stopRamp()
		r.Ramping, r.HasRamp, r.RampingChanged = c.BuildID, true, t.env.Now
		if next != nil {
			t.activate(next)
			next.RampingSince = t.env.Now
		}
	}
	r.Percentage, r.PercentageChanged = c.Percentage, t.env.Now
	if next != nil {
		next.RoutingChanged = t.env.Now
	}
	t.rerouted(c.Identity)
	return nil
}
