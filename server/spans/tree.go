package spans

import (
	"fmt"
	"strings"
	"time"
	"unicode/utf8"
)

// barWidth is the width of the time line, in characters.
const barWidth = 40

// Tree is a trace for people: a line for each span, with how long it took and
// when, indented under its parent. Colours are nothing it needs.
func Tree(list []Span) string {
	if len(list) == 0 {
		return ""
	}
	var b strings.Builder
	root := &list[0]
	fmt.Fprintf(&b, "trace %s", root.Trace)
	if root.Remote {
		fmt.Fprintf(&b, ", below span %s of the caller", root.Parent)
	}
	fmt.Fprintf(&b, "\n%s, %d spans\n\n", root.Start.UTC().Format("2006-01-02 15:04:05.000 MST"), len(list))
	width := 0
	depths := depthsOf(list)
	for i := range list {
		width = max(width, 2*depths[i]+utf8.RuneCountInString(list[i].Name))
	}
	for i := range list {
		line(&b, root, &list[i], depths[i], width)
	}
	return b.String()
}

func depthsOf(list []Span) []int {
	at := map[SpanID]int{}
	depths := make([]int, len(list))
	for i, s := range list {
		if above, found := at[s.Parent]; found {
			depths[i] = depths[above] + 1
		}
		at[s.ID] = i
	}
	return depths
}

func line(b *strings.Builder, root, s *Span, depth, width int) {
	name := strings.Repeat("  ", depth) + s.Name
	padding := strings.Repeat(" ", width-utf8.RuneCountInString(name))
	fmt.Fprintf(b, "%s%s  %10s  %s%s\n", name, padding, readable(s.Duration()), bar(root, s), remark(s))
}

func remark(s *Span) string {
	var words []string
	switch {
	case s.Outcome == Failed:
		words = append(words, "FAILED: "+firstLine(s.Message))
	case s.Pending:
		words = append(words, "still under way")
	}
	for _, a := range s.Attributes {
		switch a.Key {
		case "perdure.workflow.id", "perdure.activity.id", "perdure.timer.id", "perdure.child.workflow_id", "perdure.update.id", "perdure.target.workflow_id":
			words = append(words, fmt.Sprint(a.Value))
		case "perdure.worker":
			words = append(words, "by "+fmt.Sprint(a.Value))
		case "perdure.canceled":
			words = append(words, "canceled")
		case "perdure.estimated":
			words = append(words, "estimated")
		case "perdure.ended_by":
			words = append(words, "ended by the "+fmt.Sprint(a.Value))
		case "perdure.workflow.status", "perdure.child.status":
			words = append(words, fmt.Sprint(a.Value))
		case "perdure.spans_left_out":
			words = append(words, fmt.Sprintf("%v spans left out", a.Value))
		}
	}
	if len(words) == 0 {
		return ""
	}
	return "  " + strings.Join(words, ", ")
}

func firstLine(text string) string {
	text, _, _ = strings.Cut(text, "\n")
	return text
}

// bar shows when a span was, on the time line of the workflow.
func bar(root, s *Span) string {
	whole := root.Duration()
	if whole <= 0 {
		return "|" + strings.Repeat("=", barWidth) + "|"
	}
	from := column(s.Start.Sub(root.Start), whole)
	to := min(barWidth, max(from+1, column(s.End.Sub(root.Start), whole)))
	from = min(from, to-1)
	mark := "="
	if s.Outcome == Failed {
		mark = "x"
	}
	return "|" + strings.Repeat(" ", from) + strings.Repeat(mark, to-from) + strings.Repeat(" ", barWidth-to) + "|"
}

func column(t, whole time.Duration) int {
	return min(barWidth, int(float64(t)/float64(whole)*barWidth+0.5))
}

// readable is a duration with three digits.
func readable(d time.Duration) string {
	switch {
	case d >= time.Hour:
		return d.Round(time.Minute).String()
	case d >= time.Minute:
		return d.Round(time.Second).String()
	case d >= time.Second:
		return d.Round(10 * time.Millisecond).String()
	case d >= time.Millisecond:
		return d.Round(10 * time.Microsecond).String()
	}
	return d.Round(time.Microsecond).String()
}
