package diagnosis

import (
	_ "embed" // the page's beginning
	"fmt"
	"strings"
)

//go:embed intro.txt
var intro string

// Markdown renders the page docs/doctor.md.
func Markdown() string {
	var b strings.Builder
	b.WriteString(intro)
	for _, class := range []Class{Stuck, Held, Warning, ByDesign} {
		fmt.Fprintf(&b, "\n## %s\n\n%s\n\n| Code | Says | What to do |\n|---|---|---|\n", classTitles[class].title, classTitles[class].about)
		for _, s := range specs {
			if s.Class == class {
				fmt.Fprintf(&b, "| `%s` | %s | %s |\n", s.Code, words(s.Sentence), words(s.Next)+s.link())
			}
		}
	}
	return b.String()
}

var classTitles = map[Class]struct{ title, about string }{
	Stuck:    {"Stuck", "Nothing comes on until somebody acts. Counted as stuck."},
	Held:     {"Held back", "It ends by itself, but costs time that nobody meant to spend. Counted too."},
	Warning:  {"Warnings", "They hold nothing up yet, and are told after what does."},
	ByDesign: {"By design", "What the workflow was told to wait for. Not counted."},
}

// link leads to the runbook.
func (s Spec) link() string {
	if s.Runbook == "" {
		return ""
	}
	return fmt.Sprintf(" [%s](runbooks/%s.md)", s.Runbook, s.Runbook)
}

// words are a text as a table takes it.
func words(text string) string {
	return strings.NewReplacer("|", `\|`, "{", "*", "}", "*").Replace(text)
}
