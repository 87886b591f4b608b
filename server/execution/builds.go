package execution

import (
	"cmp"
	"slices"

	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	historypb "go.temporal.io/api/history/v1"
	workflowpb "go.temporal.io/api/workflow/v1"

	"perdure/server/versioning"
	"perdure/visibility/attr"
)

// noteBuild keeps what a completed task tells about the worker's build: the
// BuildIds search attribute and the points that a reset can go back to.
func noteBuild(s *State, e *historypb.HistoryEvent, a *historypb.WorkflowTaskCompletedEventAttributes) {
	id := cmp.Or(a.DeploymentVersion.GetBuildId(), a.WorkerVersion.GetBuildId())
	s.addKeywords(attr.BuildIDs, buildKeywords(a)...)
	if a.BinaryChecksum != "" {
		s.addKeywords("BinaryChecksums", a.BinaryChecksum)
	}
	known := func(p *workflowpb.ResetPointInfo) bool {
		return p.BuildId == id && p.BinaryChecksum == a.BinaryChecksum
	}
	if slices.ContainsFunc(s.ResetPoints, known) {
		return
	}
	point := &workflowpb.ResetPointInfo{
		BuildId: id, BinaryChecksum: a.BinaryChecksum, RunId: s.RunID,
		FirstWorkflowTaskCompletedId: e.EventId, CreateTime: e.EventTime, Resettable: true,
	}
	s.ResetPoints = append(s.ResetPoints, point)
}

// buildKeywords tell of the build of a worker. What changes with the run's
// behavior is shown beside them.
func buildKeywords(a *historypb.WorkflowTaskCompletedEventAttributes) []string {
	var values []string
	stamp := a.WorkerVersion
	if a.VersioningBehavior == enumspb.VERSIONING_BEHAVIOR_UNSPECIFIED && !stamp.GetUseVersioning() {
		values = append(values, versioning.UnversionedRun)
	}
	switch {
	case stamp.GetBuildId() == "":
	case stamp.GetUseVersioning():
		values = append(values, versioning.VersionedRun(stamp.GetBuildId()))
	case a.VersioningBehavior == enumspb.VERSIONING_BEHAVIOR_UNSPECIFIED:
		values = append(values, versioning.UnversionedBuild(stamp.GetBuildId()))
	}
	return values
}

// forgetResetPoints bounds the list: the oldest goes first.
func (t *transition) forgetResetPoints() {
	if excess := len(t.s.ResetPoints) - t.env.Limits.ResetPoints; excess > 0 {
		t.s.ResetPoints = t.s.ResetPoints[excess:]
	}
}

// keywords are the values of a keyword-list attribute.
func (s *State) keywords(name string) []string {
	list, _ := attr.Decode(s.SearchAttributes.GetIndexedFields()[name], enumspb.INDEXED_VALUE_TYPE_KEYWORD_LIST)
	values, _ := list.([]string)
	return values
}

// addKeywords adds values to a keyword-list attribute that the server keeps itself.
func (s *State) addKeywords(name string, values ...string) {
	current := s.keywords(name)
	merged := slices.Clone(current)
	for _, value := range values {
		if !slices.Contains(merged, value) {
			merged = append(merged, value)
		}
	}
	if len(merged) == len(current) {
		return
	}
	s.SearchAttributes = attr.Merge(s.SearchAttributes, &commonpb.SearchAttributes{IndexedFields: map[string]*commonpb.Payload{
		name: attr.Encode(merged, enumspb.INDEXED_VALUE_TYPE_KEYWORD_LIST),
	}})
}

// withoutBuilds leaves out what a run keeps of its own workers.
func withoutBuilds(sa *commonpb.SearchAttributes) *commonpb.SearchAttributes {
	kept := make(map[string]*commonpb.Payload, len(sa.GetIndexedFields()))
	for name, value := range sa.GetIndexedFields() {
		if name != attr.BuildIDs && name != "BinaryChecksums" && name != "TemporalUsedWorkerDeploymentVersions" {
			kept[name] = value
		}
	}
	if len(kept) == 0 {
		return nil
	}
	return &commonpb.SearchAttributes{IndexedFields: kept}
}

// withoutNulls is the memo of a run that begins: a key without value is none.
func withoutNulls(memo *commonpb.Memo) *commonpb.Memo {
	kept := mergeMemo(nil, memo)
	switch len(kept.GetFields()) {
	case len(memo.GetFields()):
		return memo
	case 0:
		return nil
	}
	return kept
}

// mergeMemo returns the memo with the upserted keys; a key without value is removed.
func mergeMemo(memo, upsert *commonpb.Memo) *commonpb.Memo {
	merged := make(map[string]*commonpb.Payload, len(memo.GetFields())+len(upsert.GetFields()))
	for key, value := range memo.GetFields() {
		merged[key] = value
	}
	for key, value := range upsert.GetFields() {
		if attr.IsNull(value) {
			delete(merged, key)
			continue
		}
		merged[key] = value
	}
	return &commonpb.Memo{Fields: merged}
}
