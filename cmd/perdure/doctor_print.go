package main

import (
	"fmt"
	"io"
	"strings"
	"time"

	"perdure/server/doctorpb"
)

// printReport prints what was found of one run, and of children indented below.
func printReport(w io.Writer, r *doctorpb.Report, indent string) {
	fmt.Fprintf(w, "%s%s: %s", indent, r.WorkflowId, strings.ToUpper(r.Verdict))
	if r.RunId != "" {
		fmt.Fprintf(w, "  (%s, %s, run %s", r.WorkflowType, r.Status, r.RunId)
		if r.LastProgressTime != nil {
			fmt.Fprintf(w, ", last progress %s", r.LastProgressTime.AsTime().Format(time.RFC3339))
		}
		fmt.Fprint(w, ")")
	}
	fmt.Fprintln(w)
	for i, cause := range r.Causes {
		fmt.Fprintf(w, "%s%3d. %s [%s, %s]\n", indent, i+1, cause.Sentence, cause.Code, cause.Class)
		printCause(w, cause, indent+"     ")
	}
}

func printCause(w io.Writer, cause *doctorpb.Cause, indent string) {
	var evidence []string
	for _, e := range cause.Evidence {
		evidence = append(evidence, e.Name+"="+e.Value)
	}
	if len(evidence) > 0 {
		fmt.Fprintf(w, "%sevidence: %s\n", indent, strings.Join(evidence, "; "))
	}
	fmt.Fprintf(w, "%snext: %s\n", indent, cause.Next)
	if cause.Runbook != "" {
		fmt.Fprintf(w, "%srunbook: docs/runbooks/%s.md\n", indent, cause.Runbook)
	}
	if cause.Child != nil {
		printReport(w, cause.Child, indent)
	}
}

// printFleet prints what was found of a namespace.
func printFleet(w io.Writer, f *doctorpb.DiagnoseFleetResponse) {
	fmt.Fprintf(w, "%s: %d open runs; %d have waited for a while, %d of them were looked at: %d come on or wait by design\n",
		f.Namespace, f.OpenRuns, f.Candidates, f.Examined, f.Healthy)
	if f.Truncated {
		fmt.Fprintln(w, "There are more than one call looks at; the metric perdure_troubled_runs counts all.")
	}
	for _, note := range f.Notes {
		fmt.Fprintf(w, "! %s [%s]\n", note.Sentence, note.Code)
	}
	for _, g := range f.Groups {
		fmt.Fprintf(w, "\n%d × %s [%s]\n", g.Runs, g.Code, g.Class)
		for _, example := range g.Examples {
			first := example.Causes[0]
			fmt.Fprintf(w, "  %s: %s\n    next: %s\n", example.WorkflowId, first.Sentence, first.Next)
		}
	}
	if len(f.Groups) == 0 {
		fmt.Fprintln(w, "Nothing is stuck or held back.")
	}
}
