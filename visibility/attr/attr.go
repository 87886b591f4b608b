// Package attr knows search attributes: their types, the system's own, and
// which values are valid. It is pure.
//
// Names fall into three groups. System attributes are columns of every run and
// can only be read. Predefined attributes are written by clients or by the
// server beside the custom ones, under fixed names. Custom attributes belong
// to a namespace.
package attr

import (
	"strings"

	enumspb "go.temporal.io/api/enums/v1"
)

// Names of system attributes.
const (
	WorkflowID           = "WorkflowId"
	RunID                = "RunId"
	WorkflowType         = "WorkflowType"
	StartTime            = "StartTime"
	ExecutionTime        = "ExecutionTime"
	CloseTime            = "CloseTime"
	ExecutionStatus      = "ExecutionStatus"
	TaskQueue            = "TaskQueue"
	HistoryLength        = "HistoryLength"
	ExecutionDuration    = "ExecutionDuration"
	StateTransitionCount = "StateTransitionCount"
	HistorySizeBytes     = "HistorySizeBytes"
	ParentWorkflowID     = "ParentWorkflowId"
	ParentRunID          = "ParentRunId"
	RootWorkflowID       = "RootWorkflowId"
	RootRunID            = "RootRunId"
)

// Names with a meaning of their own in the filter language.
const (
	// ScheduleID names the workflow id of a schedule without its prefix.
	ScheduleID = "ScheduleId"
	// ScheduleIDPrefix begins the workflow id of every schedule.
	ScheduleIDPrefix = "temporal-sys-scheduler:"
	// BuildIDs names the builds of the workers of a run.
	BuildIDs = "BuildIds"
	// NamespaceDivision hides the runs that have it from filters which do not mention it.
	NamespaceDivision = "TemporalNamespaceDivision"
	// LowCardinalityKeywordPrefix begins the names that GROUP BY accepts besides status and division.
	LowCardinalityKeywordPrefix = "TemporalLowCardinalityKeyword"
)

// reservedPrefix begins names that users cannot define.
const reservedPrefix = "Temporal"

// Short names of the types, to keep the tables readable.
const (
	text        = enumspb.INDEXED_VALUE_TYPE_TEXT
	keyword     = enumspb.INDEXED_VALUE_TYPE_KEYWORD
	integer     = enumspb.INDEXED_VALUE_TYPE_INT
	double      = enumspb.INDEXED_VALUE_TYPE_DOUBLE
	boolean     = enumspb.INDEXED_VALUE_TYPE_BOOL
	datetime    = enumspb.INDEXED_VALUE_TYPE_DATETIME
	keywordList = enumspb.INDEXED_VALUE_TYPE_KEYWORD_LIST
)

// Types maps the names of search attributes to their types.
type Types map[string]enumspb.IndexedValueType

// system are the columns of every run.
var system = Types{
	WorkflowID:           keyword,
	RunID:                keyword,
	WorkflowType:         keyword,
	StartTime:            datetime,
	ExecutionTime:        datetime,
	CloseTime:            datetime,
	ExecutionStatus:      keyword,
	TaskQueue:            keyword,
	HistoryLength:        integer,
	ExecutionDuration:    integer,
	StateTransitionCount: integer,
	HistorySizeBytes:     integer,
	ParentWorkflowID:     keyword,
	ParentRunID:          keyword,
	RootWorkflowID:       keyword,
	RootRunID:            keyword,
}

// settable are the predefined attributes that clients may write.
var settable = Types{
	"TemporalChangeVersion":      keywordList,
	"BinaryChecksums":            keywordList,
	BuildIDs:                     keywordList,
	"BatcherNamespace":           keyword,
	"BatcherUser":                keyword,
	"TemporalScheduledStartTime": datetime,
	"TemporalScheduledById":      keyword,
	"TemporalSchedulePaused":     boolean,
	NamespaceDivision:            keyword,
	"TemporalPauseInfo":          keywordList,
	"TemporalReportedProblems":   keywordList,
}

// serverOnly are the predefined attributes that only the server writes.
var serverOnly = Types{
	"TemporalWorkerDeploymentVersion":      keyword,
	"TemporalWorkerDeployment":             keyword,
	"TemporalWorkflowVersioningBehavior":   keyword,
	"TemporalUsedWorkerDeploymentVersions": keywordList,
	"TemporalExternalPayloadCount":         integer,
	"TemporalExternalPayloadSizeBytes":     integer,
}

// internalNames are names that no user attribute may have though no filter knows them.
var internalNames = map[string]bool{
	"NamespaceId": true, "MemoEncoding": true, "Memo": true, "VisibilityTaskKey": true,
}

// System returns the attributes that are columns of every run.
func System() Types { return clone(system) }

// Predefined returns the attributes with fixed names that are stored beside the custom ones.
func Predefined() Types { return merge(settable, serverOnly) }

// NonCustom returns every attribute that exists in all namespaces: what
// ListSearchAttributes shows as system attributes.
func NonCustom() Types { return merge(system, settable, serverOnly) }

// IsSystem tells whether name is a column of every run.
func IsSystem(name string) bool {
	_, ok := system[name]
	return ok
}

// IsReserved tells whether name cannot be given to a custom attribute.
func IsReserved(name string) bool {
	if _, ok := nonCustomType(name); ok {
		return true
	}
	return internalNames[name] || strings.HasPrefix(name, reservedPrefix) || IsBuiltIn(name)
}

// TypeOf returns the type of a non-custom or custom attribute. A custom one
// cannot hide a non-custom one, as its name would be reserved.
func TypeOf(custom Types, name string) (enumspb.IndexedValueType, bool) {
	if t, ok := nonCustomType(name); ok {
		return t, true
	}
	t, ok := custom[name]
	return t, ok
}

func nonCustomType(name string) (enumspb.IndexedValueType, bool) {
	for _, types := range []Types{system, settable, serverOnly} {
		if t, ok := types[name]; ok {
			return t, true
		}
	}
	return enumspb.INDEXED_VALUE_TYPE_UNSPECIFIED, false
}

func clone(types Types) Types { return merge(types) }

func merge(all ...Types) Types {
	out := Types{}
	for _, types := range all {
		for name, t := range types {
			out[name] = t
		}
	}
	return out
}
