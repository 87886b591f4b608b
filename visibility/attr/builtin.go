package attr

import (
	"strings"

	enumspb "go.temporal.io/api/enums/v1"
)

// BuiltInPrefix begins the keys under which records hold what the server adds
// for search. Such attributes are found by their names and not listed with a
// run. A name that a namespace has defined for itself means its own attribute;
// the key reaches the built-in one all the same.
const BuiltInPrefix = "perdure_"

// Names of built-in attributes: what to look for in runs that do not come on.
const (
	PendingActivityCount       = "PendingActivityCount"
	PendingActivityTypes       = "PendingActivityTypes"
	PendingActivityMaxAttempt  = "PendingActivityMaxAttempt"
	PendingOldestScheduledTime = "PendingOldestScheduledTime"
	PendingWorkflowTaskAttempt = "PendingWorkflowTaskAttempt"
	LastProgressTime           = "LastProgressTime"
	LastWorkerIdentity         = "LastWorkerIdentity"
	FailureType                = "FailureType"
	FailureMessage             = "FailureMessage"
)

// Names of built-in attributes of what is inside runs, where a namespace lets search look at it.
const (
	Input         = "Input"
	Result        = "Result"
	ActivityTypes = "ActivityTypes"
	ActivityIDs   = "ActivityIds"
	SignalNames   = "SignalNames"
	// MemoPrefix and the name of a field of the memo is a Keyword.
	MemoPrefix = "Memo."
)

// builtIn are the attributes that every record may have.
var builtIn = Types{
	PendingActivityCount:       integer,
	PendingActivityTypes:       keywordList,
	PendingActivityMaxAttempt:  integer,
	PendingOldestScheduledTime: datetime,
	PendingWorkflowTaskAttempt: integer,
	LastProgressTime:           datetime,
	LastWorkerIdentity:         keyword,
	FailureType:                keyword,
	FailureMessage:             text,
	Input:                      text,
	Result:                     text,
	ActivityTypes:              keywordList,
	ActivityIDs:                keywordList,
	SignalNames:                keywordList,
}

// BuiltIns returns the built-in attributes by name.
func BuiltIns() Types { return clone(builtIn) }

// BuiltIn returns the key and the type of a built-in attribute that is given by
// its name or its key.
func BuiltIn(name string) (key string, t enumspb.IndexedValueType, ok bool) {
	name = strings.TrimPrefix(name, BuiltInPrefix)
	t, ok = builtIn[name]
	if !ok && strings.HasPrefix(name, MemoPrefix) && len(name) > len(MemoPrefix) {
		t, ok = keyword, true
	}
	return BuiltInPrefix + name, t, ok
}

// IsBuiltIn tells whether a record has the key for search alone.
func IsBuiltIn(key string) bool { return strings.HasPrefix(key, BuiltInPrefix) }
