package diagnosis

import "time"

// children looks at children: at those that were looked into, and at how many there are.
func (d *diagnosing) children() {
	children := d.f.Run.Children
	healthy := 0
	example, how := "", "was not looked at"
	for i := range children {
		c := &children[i]
		report := d.reportOf(c.InitiatedID)
		switch {
		case c.RunID == "" && d.tooLong(c.Initiated):
			d.add(ChildNotStarted, c.WorkflowID, c.Initiated, d.child(c)...)
			continue
		case report != nil && report.Troubled():
			d.troubledChild(c, report)
			continue
		}
		healthy++
		if example == "" {
			example = c.WorkflowID
			if report != nil {
				how = "is " + string(report.Verdict)
			}
		}
	}
	if healthy > 0 {
		d.add(ChildRunning, "", time.Time{}, is("children", healthy), is("child", example), is("verdict", how))
	}
}

func (d *diagnosing) child(c *Child, more ...Evidence) []Evidence {
	return append(more, is("child", c.WorkflowID), is("childrun", c.RunID), is("childtype", c.Type), is("childnamespace", c.Namespace), is("event", c.InitiatedID))
}

func (d *diagnosing) troubledChild(c *Child, report *Report) {
	code := ChildStuck
	if report.Verdict == VerdictHeld {
		code = ChildHeld
	}
	first := report.Causes[0]
	added := d.add(code, c.WorkflowID, first.Since, d.child(c, is("cause", first.Code))...)
	added.Child = report
}

func (d *diagnosing) reportOf(initiatedID int64) *Report {
	for _, c := range d.f.Children {
		if c.InitiatedID == initiatedID {
			return c.Report
		}
	}
	return nil
}

// messages looks at what is on its way to other runs.
func (d *diagnosing) messages() {
	for _, m := range d.f.Run.Messages {
		if !d.tooLong(m.Initiated) {
			continue
		}
		code := SignalUndelivered
		if m.Cancel {
			code = CancelUndelivered
		}
		d.add(code, m.WorkflowID, m.Initiated, is("target", m.WorkflowID), is("targetnamespace", m.Namespace), is("event", m.InitiatedID))
	}
}
