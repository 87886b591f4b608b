package query

import (
	"strings"
	"time"
)

// isRelative tells the functions that make a relative time.
func isRelative(t token) bool {
	if t.kind != tokenIdent {
		return false
	}
	switch strings.ToUpper(t.text) {
	case "NOW", "AGO", "TODAY":
		return true
	}
	return false
}

// relativeCall reads the arguments of a function whose name was read.
func (p *parser) relativeCall(name string) operand {
	var r RelativeTime
	p.expect("(")
	switch strings.ToUpper(name) {
	case "AGO":
		r.Offset = -p.duration()
	case "TODAY":
		r.Today = true
		if !p.peek().is(")") {
			r.Zone = p.value().String
		}
	}
	p.expect(")")
	return operand{isLiteral: true, literal: Value{Kind: Relative, Relative: r}, what: whatFunction}
}

// offset reads what is added to a relative time.
func (p *parser) offset(o operand) operand {
	for (p.peek().is("+") || p.peek().is("-")) && p.isDurationAt(p.at+1) {
		sign := p.take().text
		d := p.termDuration(p.term())
		if sign == "-" {
			d = -d
		}
		if overflows(o.literal.Relative.Offset, d) {
			p.failMeaning(invalid("the duration is too long"))
			return o
		}
		o.literal.Relative.Offset += d
	}
	return o
}

func (p *parser) isDurationAt(place int) bool {
	kind := p.tokens[place].kind
	return kind == tokenString || kind == tokenParameter
}

func (p *parser) duration() time.Duration { return p.termDuration(p.operand()) }

// termDuration returns the duration that an operand stands for.
func (p *parser) termDuration(o operand) time.Duration {
	v := p.literal(o)
	d, ok := parseDuration(v.String)
	if v.Kind != String || !ok || d == -d && d != 0 {
		p.failMeaning(invalid("%s is no duration, such as '1h'", showValue(v)))
	}
	return d
}

// printRelative prints a relative time.
func printRelative(r RelativeTime) string {
	base := "NOW()"
	if r.Today {
		base = "TODAY()"
		if r.Zone != "" {
			base = "TODAY(" + printString(r.Zone) + ")"
		}
	}
	switch {
	case r.Offset == 0:
		return base
	case r.Offset > 0:
		return base + " + " + printString(r.Offset.String())
	case !r.Today:
		return "AGO(" + printString(strings.TrimPrefix(r.Offset.String(), "-")) + ")"
	default:
		return base + " - " + printString(strings.TrimPrefix(r.Offset.String(), "-"))
	}
}

// relative returns the time that v stands for; other values as they are.
func (c *checker) relative(v Value) (Value, error) {
	if v.Kind != Relative {
		return v, nil
	}
	if c.options.Now.IsZero() {
		return v, unsupported("relative time where there is no present")
	}
	c.asOf = c.options.Now
	base := c.options.Now
	if v.Relative.Today {
		location, err := c.zone(v.Relative.Zone)
		if err != nil {
			return v, err
		}
		year, month, date := base.In(location).Date()
		base = Midnight(year, month, date, location)
	}
	return Value{Kind: Time, Time: base.Add(v.Relative.Offset).UTC()}, nil
}

// zone finds a time zone; the empty name is UTC.
func (c *checker) zone(name string) (*time.Location, error) {
	if name == "" || name == "UTC" {
		return time.UTC, nil
	}
	if c.options.Zone == nil {
		return nil, unsupported("time zones where there are none")
	}
	location, err := c.options.Zone(name)
	if err != nil || name == "Local" {
		return nil, invalid("unknown time zone '%s'", name)
	}
	return location, nil
}

// Midnight is the first instant of a day in a zone: midnight, or where the
// clock passes over midnight, what it shows then. A day that the clock passes
// over as a whole begins with the next one.
func Midnight(year int, month time.Month, date int, location *time.Location) time.Time {
	wall := time.Date(year, month, date, 0, 0, 0, 0, time.UTC)
	before, after := instantOf(wall, wall.Add(-day), location), instantOf(wall, wall.Add(day), location)
	isDay := func(instant time.Time) bool { return instant.In(location).Day() == wall.Day() }
	if isDay(after) && (after.Before(before) || !isDay(before)) {
		return after
	}
	return before
}

// instantOf returns when the clock shows wall, with the offset that it has near that time.
func instantOf(wall, near time.Time, location *time.Location) time.Time {
	_, offsetSeconds := near.In(location).Zone()
	return wall.Add(-time.Duration(offsetSeconds) * time.Second)
}
