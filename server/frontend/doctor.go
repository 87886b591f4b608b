package frontend

import (
	"context"

	"perdure/server/apierr"
	"perdure/server/cluster"
	"perdure/server/diagnosis"
	"perdure/server/doctorpb"
)

// doctor answers the service that says why runs do not come on.
type doctor struct {
	doctorpb.UnimplementedDoctorServiceServer
	f *Frontend
}

var _ doctorpb.DoctorServiceServer = (*doctor)(nil)

// Diagnose looks at one run.
func (d *doctor) Diagnose(ctx context.Context, req *doctorpb.DiagnoseRequest) (*doctorpb.DiagnoseResponse, error) {
	if req.GetWorkflowId() == "" {
		return nil, apierr.InvalidArgument("WorkflowId is not set on request.")
	}
	report, err := d.f.doctor.Diagnose(ctx, namespaceOf(ctx), req.GetWorkflowId(), req.GetRunId())
	if err != nil {
		return nil, err
	}
	return &doctorpb.DiagnoseResponse{Report: reportOf(report)}, nil
}

// examplesDefault is how many examples of each cause are shown when no number is asked for, examplesMax the most.
const (
	examplesDefault = 3
	examplesMax     = 20
)

// DiagnoseFleet looks at the open runs of a namespace.
func (d *doctor) DiagnoseFleet(ctx context.Context, req *doctorpb.DiagnoseFleetRequest) (*doctorpb.DiagnoseFleetResponse, error) {
	examples := int(req.GetExamples())
	if examples <= 0 {
		examples = examplesDefault
	}
	if d.f.fresh != nil && header(ctx, freshHeader) != "" {
		_ = d.f.fresh(ctx) // what search lacks is one of the things to be told
	}
	found, err := d.f.doctor.Fleet(ctx, namespaceOf(ctx), cluster.FleetRequest{
		RunsMax: int(pageSize(req.GetRunsMax(), d.f.limits.DoctorRunsMax)), Examples: min(examples, examplesMax),
	})
	if err != nil {
		return nil, listError(err)
	}
	resp := &doctorpb.DiagnoseFleetResponse{
		Namespace: found.Namespace, OpenRuns: found.Open, Candidates: found.Candidates, Examined: int64(found.Examined), Healthy: int64(found.Healthy),
		Truncated: found.Truncated, Notes: causesOf(found.Notes),
	}
	for _, g := range found.Groups {
		group := &doctorpb.Group{Code: string(g.Code), Class: g.Class.String(), Runs: int64(g.Runs)}
		for _, example := range g.Examples {
			group.Examples = append(group.Examples, reportOf(example))
		}
		resp.Groups = append(resp.Groups, group)
	}
	return resp, nil
}

// reportOf is a report as clients get it; nil for none.
func reportOf(r *diagnosis.Report) *doctorpb.Report {
	if r == nil {
		return nil
	}
	return &doctorpb.Report{
		Namespace: r.Namespace, WorkflowId: r.WorkflowID, RunId: r.RunID, WorkflowType: r.Type, Status: r.Status, Verdict: string(r.Verdict),
		LastProgressTime: unlessZero(r.LastProgress), Causes: causesOf(r.Causes),
	}
}

func causesOf(causes []diagnosis.Cause) []*doctorpb.Cause {
	var list []*doctorpb.Cause
	for _, c := range causes {
		cause := &doctorpb.Cause{
			Code: string(c.Code), Class: c.Class.String(), Subject: c.Subject, SinceTime: unlessZero(c.Since), Sentence: c.Sentence, Next: c.Next, Runbook: c.Runbook,
			Child: reportOf(c.Child),
		}
		for _, e := range c.Evidence {
			cause.Evidence = append(cause.Evidence, &doctorpb.Evidence{Name: e.Name, Value: e.Value})
		}
		list = append(list, cause)
	}
	return list
}
