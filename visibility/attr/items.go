package attr

// Kinds of items of which a run can have several at a time.
const (
	PendingActivity = "PendingActivity"
	PendingChild    = "PendingChild"
	PendingTimer    = "PendingTimer"
)

// itemTypes are the attributes of the items of each kind.
var itemTypes = map[string]Types{
	PendingActivity: {
		"Id": keyword, "Type": keyword, "State": keyword, "TaskQueue": keyword, "Attempt": integer, "MaximumAttempts": integer,
		"ScheduledTime": datetime, "LastStartedTime": datetime, "LastFailure": keyword, "LastWorkerIdentity": keyword,
	},
	PendingChild: {"WorkflowId": keyword, "RunId": keyword, "Type": keyword, "ParentClosePolicy": keyword},
	PendingTimer: {"Id": keyword, "FireTime": datetime},
}

// ItemTypes returns the attributes of the items of a kind; false for no kind.
func ItemTypes(kind string) (Types, bool) {
	types, ok := itemTypes[kind]
	return types, ok
}
