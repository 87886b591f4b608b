package spans

import (
	"cmp"
	"slices"
)

// spansMaxDefault bounds the spans of a run: back ends refuse traces that are too large to show.
const spansMaxDefault = 2000

// result lists the spans, each before what is within it. When there are too
// many, what failed and what took longest stays.
func (b *builder) result() []Span {
	groups := b.groups()
	room := cmp.Or(b.run.SpansMax, spansMaxDefault) - 1
	if len(b.spans)-1 > room {
		groups = keep(groups, room)
	}
	list := []Span{}
	for _, g := range groups {
		for _, s := range g.spans {
			list = append(list, *s)
		}
	}
	left := len(b.spans) - 1 - len(list)
	b.root.number("perdure.spans_left_out", int64(left))
	return append([]Span{*b.root}, list...)
}

// group is a part of the workflow with the spans within it.
type group struct {
	at    int // where it stands
	spans []*Span
}

// groups are the parts of the workflow, in order of their start.
func (b *builder) groups() []*group {
	var list []*group
	of := make(map[SpanID]*group, len(b.spans))
	for _, s := range b.spans {
		if s == b.root {
			continue
		}
		g := of[s.Parent]
		if g == nil {
			g = &group{}
			list = append(list, g)
		}
		g.spans = append(g.spans, s)
		of[s.ID] = g
	}
	slices.SortStableFunc(list, func(a, c *group) int { return a.spans[0].Start.Compare(c.spans[0].Start) })
	for i, g := range list {
		g.at = i
		slices.SortStableFunc(g.spans[1:], func(a, c *Span) int { return a.Start.Compare(c.Start) })
	}
	return list
}

// keep chooses groups with at most room spans.
func keep(groups []*group, room int) []*group {
	ranked := slices.Clone(groups)
	slices.SortStableFunc(ranked, func(a, c *group) int {
		return cmp.Or(cmp.Compare(c.weight(), a.weight()), cmp.Compare(c.spans[0].Duration(), a.spans[0].Duration()), cmp.Compare(a.at, c.at))
	})
	var kept []*group
	for _, g := range ranked {
		if len(g.spans) > room {
			break
		}
		room -= len(g.spans)
		kept = append(kept, g)
	}
	slices.SortFunc(kept, func(a, c *group) int { return cmp.Compare(a.at, c.at) })
	return kept
}

// weight is what a group is worth before its duration.
func (g *group) weight() int {
	for _, s := range g.spans {
		if s.Outcome == Failed {
			return 1
		}
	}
	return 0
}
