package config

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
	"time"

	"perdure/server/activity"
	"perdure/server/apierr"
	"perdure/server/execution"
	"perdure/server/match"
	"perdure/visibility/attr"
	"perdure/visibility/inside"
	"perdure/visibility/query"
)

// Limits bounds everything a client can make grow. Each has a unit, a reason
// and, where the public server has the same setting, its dynamic-config key.
// "Suggest" and "warn" limits refuse nothing.
type Limits struct {
	IDBytesMax               int `default:"1000" unit:"bytes" key:"limit.maxIDLength" doc:"Any id, name or type a client gives: keys stay indexable in every store."`
	BuildIDBytesMax          int `default:"255" unit:"bytes" key:"limit.workerBuildIdSize" doc:"Build id of a worker: it becomes a label and a search value."`
	BlobBytesWarn            int `default:"512KiB" unit:"bytes" key:"limit.blobSize.warn" doc:"One group of payloads: operators are told of larger ones."`
	BlobBytesMax             int `default:"2MiB" unit:"bytes" key:"limit.blobSize.error" doc:"One group of payloads: it must fit a gRPC message and a commit."`
	MemoBytesWarn            int `default:"2KiB" unit:"bytes" key:"limit.memoSize.warn" doc:"Memo: operators are told of larger ones, since each list shows it."`
	MemoBytesMax             int `default:"2MiB" unit:"bytes" key:"limit.memoSize.error" doc:"Memo: it is copied into each visibility record."`
	TransactionBytesMax      int `default:"4MiB" unit:"bytes" key:"system.transactionSizeLimit" doc:"Events that one call adds to a history: they are one write. A workflow task that adds more ends its run, other calls are refused."`
	StateBytesWarn           int `default:"1MiB" unit:"bytes" key:"limit.mutableStateSize.warn" doc:"State of a run beside its history: operators are told of runs with more, since each change writes it anew."`
	StateBytesMax            int `default:"8MiB" unit:"bytes" key:"limit.mutableStateSize.error" doc:"State of a run beside its history at which the run is terminated: each change writes it anew."`
	HistoryBytesSuggest      int `default:"4MiB" unit:"bytes" key:"limit.historySize.suggestContinueAsNew" doc:"History size at which workers are told to continue as new."`
	HistoryBytesWarn         int `default:"10MiB" unit:"bytes" key:"limit.historySize.warn" doc:"History size: operators are told of runs with more."`
	HistoryBytesMax          int `default:"50MiB" unit:"bytes" key:"limit.historySize.error" doc:"History size at which a run is terminated: each replay reads all of it."`
	HistoryEventsSuggest     int `default:"4096" unit:"events" key:"limit.historyCount.suggestContinueAsNew" doc:"History length at which workers are told to continue as new."`
	HistoryEventsWarn        int `default:"10240" unit:"events" key:"limit.historyCount.warn" doc:"History length: operators are told of runs with more."`
	HistoryEventsMax         int `default:"51200" unit:"events" key:"limit.historyCount.error" doc:"History length at which a run is terminated: each replay reads all of it."`
	ActivityFailureBytesWarn int `default:"2KiB" unit:"bytes" key:"limit.mutableStateActivityFailureSize.warn" doc:"Last failure kept with a pending activity: operators are told of larger ones."`
	ActivityFailureBytesMax  int `default:"4KiB" unit:"bytes" key:"limit.mutableStateActivityFailureSize.error" doc:"Last failure kept with a pending activity; longer ones are cut, since the state is written with each transition."`
	PendingActivitiesMax     int `default:"2000" unit:"activities" key:"limit.numPendingActivities.error" doc:"Activities of one run under way: they are part of its state."`
	PendingChildrenMax       int `default:"2000" unit:"workflows" key:"limit.numPendingChildExecutions.error" doc:"Child workflows of one run under way: they are part of its state."`
	PendingSignalsMax        int `default:"2000" unit:"signals" key:"limit.numPendingSignals.error" doc:"Signals of one run to other workflows under way: they are part of its state."`
	PendingCancelsMax        int `default:"2000" unit:"requests" key:"limit.numPendingCancelRequests.error" doc:"Cancel requests of one run to other workflows under way: they are part of its state."`
	BufferedEventsMax        int `default:"100" unit:"events" key:"history.maximumBufferedEventsBatch" doc:"Events that wait for a started workflow task to end; beyond it the task is failed."`
	BufferedBytesMax         int `default:"2MiB" unit:"bytes" key:"history.maximumBufferedEventsSizeInBytes" doc:"Size of events that wait for a started workflow task to end."`
	SignalsMax               int `default:"10000" unit:"signals" key:"history.maximumSignalsPerExecution" doc:"Signals of one run: each is an event to replay."`
	UpdatesInFlightMax       int `default:"10" unit:"updates" key:"history.maxInFlightUpdates" doc:"Updates of one run under way: they are held in memory and messages."`
	UpdatesMax               int `default:"2000" unit:"updates" key:"history.maxTotalUpdates" doc:"Updates of one run: their ids are remembered for its whole life."`
	UpdateBytesInFlightMax   int `default:"20MiB" unit:"bytes" key:"history.maxInFlightUpdatePayloads" doc:"Requests of updates of one run that wait for a worker: they are held in memory."`
	QueriesBufferedMax       int `default:"1" unit:"queries" key:"history.MaxBufferedQueryCount" doc:"Queries that wait on one run for its workflow task: they are held in memory."`
	ResetPointsMax           int `default:"20" unit:"points" key:"history.historyMaxAutoResetPoints" doc:"Reset points remembered by one run; the oldest goes."`
	CallbacksMax             int `default:"2000" unit:"callbacks" key:"callback.maxPerExecution" doc:"Completion callbacks of one run: they are part of its state."`
	CallbacksPerUpdateMax    int `default:"32" unit:"callbacks" key:"system.maxCallbacksPerUpdateID" doc:"Completion callbacks of one update: they are part of the run's state."`
	CallbackURLBytesMax      int `default:"1000" unit:"bytes" key:"frontend.callbackURLMaxLength" doc:"Address of a completion callback: it is stored with the run."`
	CallbackHeaderBytesMax   int `default:"8KiB" unit:"bytes" key:"frontend.callbackHeaderMaxLength" doc:"Headers of a completion callback: they are stored with the run, and receivers bound them too."`
	LinksMax                 int `default:"10" unit:"links" key:"frontend.maxlinksPerRequest" doc:"Links of one request."`
	LinkBytesMax             int `default:"4000" unit:"bytes" key:"frontend.linkMaxSize" doc:"One link."`

	UpdatesSuggestRatio float64 `default:"0.9" unit:"ratio" key:"history.maxTotalUpdates.suggestContinueAsNewThreshold" doc:"Share of updates_max at which workers are told to continue as new."`

	TaskTimeoutDefault         time.Duration `default:"10s" unit:"time" key:"history.defaultWorkflowTaskTimeout" doc:"Workflow task timeout of a workflow that names none."`
	TaskTimeoutMax             time.Duration `default:"2m" unit:"time" doc:"Longest workflow task timeout; longer ones are cut, since a dead worker is noticed only then."`
	TaskRetryExtraMax          time.Duration `default:"10m" unit:"time" key:"history.workflowTaskRetryMaxInterval" doc:"Most that is added to the timeout of a workflow task that keeps failing: from attempt 4 on 5s, doubling, so that it is tried ever more slowly."`
	TaskHeartbeatMax           time.Duration `default:"30m" unit:"time" key:"history.workflowTaskHeartbeatTimeout" doc:"How long a workflow task may be kept alive for local activities."`
	SpeculativeScheduleToStart time.Duration `default:"5s" unit:"time" doc:"How long a speculative workflow task waits for a poller before it becomes a normal one."`
	ReuseIntervalMin           time.Duration `default:"1s" unit:"time" key:"history.workflowIdReuseMinimalInterval" doc:"Least time between terminating starts and chained runs of one workflow id."`

	CallbackRequestTimeout      time.Duration `default:"10s" unit:"time" key:"callback.request.timeout" doc:"Longest wait for the answer to a callback: a call under way takes a place of others."`
	CallbackRetryInitial        time.Duration `default:"1s" unit:"time" key:"callback.retryPolicy.initialInterval" doc:"Wait before a callback is tried again; it doubles with each attempt."`
	CallbackRetryMax            time.Duration `default:"1h" unit:"time" key:"callback.retryPolicy.maxInterval" doc:"Longest wait between attempts of a callback."`
	OutboundCallsMax            int           `default:"64" unit:"calls" doc:"Calls to addresses outside under way on a node: each holds a connection."`
	OutboundDestinationCallsMax int           `default:"16" unit:"calls" doc:"Calls under way to one destination: a slow one must leave room for others, and is not to be flooded."`
	OutboundWaitingMax          int           `default:"10000" unit:"calls" doc:"Calls that wait for a place in memory; the others wait in the store."`
	OutboundFailuresMax         int           `default:"6" unit:"calls" doc:"Calls in a row that may fail before their destination is left alone for outbound_pause."`
	OutboundPause               time.Duration `default:"1m" unit:"time" doc:"How long a destination that fails is left alone before one call tries it again."`

	TaskPollMax            time.Duration `default:"60s" unit:"time" key:"matching.longPollExpirationInterval" doc:"Longest poll for a task: proxies cut idle calls at about a minute."`
	LongPollMax            time.Duration `default:"20s" unit:"time" key:"history.longPollExpirationInterval" doc:"Longest wait for history or an update's outcome in one call."`
	SyncMatchWait          time.Duration `default:"200ms" unit:"time" key:"matching.syncMatchWaitDuration" doc:"How long a task waits for a poller in memory before it goes to the durable backlog."`
	QueryPollerWindow      time.Duration `default:"20s" unit:"time" key:"matching.queryPollerUnavailableWindow" doc:"A query fails at once when nobody polled its queue for so long."`
	StickyPollerWindow     time.Duration `default:"10s" unit:"time" doc:"A sticky queue counts as dead when nobody polled it for so long."`
	PollerHistory          time.Duration `default:"5m" unit:"time" key:"matching.PollerHistoryTTL" doc:"How long a poller is shown after its last poll, and a task queue without use stays in memory."`
	BacklogBatchMax        int           `default:"1000" unit:"tasks" key:"matching.maxTaskBatchSize" doc:"Tasks written to the backlog, or deleted, in one statement: twice as fast as a hundred, and still a matter of milliseconds."`
	BacklogReadMax         int           `default:"1000" unit:"tasks" key:"matching.getTasksBatchSize" doc:"Tasks read from a backlog at once: bounds memory."`
	WorkerHistory          time.Duration `default:"5m" unit:"time" key:"matching.workerRegistryEntryTTL" doc:"How long a worker is shown after its last heartbeat."`
	WorkersMax             int           `default:"1000000" unit:"workers" key:"matching.workerRegistryMaxEntries" doc:"Workers remembered by a node; beyond it the one heard of least recently is forgotten."`
	WorkersBytesMax        int           `default:"1GiB" unit:"bytes" doc:"Memory for workers remembered by a node, roughly; beyond it the one heard of least recently is forgotten."`
	WorkerBytesMax         int           `default:"16KiB" unit:"bytes" doc:"One heartbeat of a worker: a usual one has about 1 KiB."`
	LanesMax               int           `default:"4096" unit:"keys" doc:"Priorities and fairness keys with waiting tasks that one task queue keeps apart: bounds memory; further keys share what is left."`
	WeightOverridesMax     int           `default:"1000" unit:"keys" doc:"Fairness keys of one task queue whose weight is set by UpdateTaskQueueConfig: one record holds them."`
	ReasonBytesMax         int           `default:"1000" unit:"bytes" doc:"Reason given with a change of a task queue's configuration."`
	HistoryPageMax         int           `default:"256" unit:"events" key:"limit.historyMaxPageSize" doc:"Events of one page of history; larger pages are cut."`
	VisibilityPageMax      int           `default:"1000" unit:"rows" key:"frontend.visibilityMaxPageSize" doc:"Runs or workers of one page of a list; larger pages are cut."`
	RetentionMin           time.Duration `default:"1h" unit:"time" key:"system.namespaceMinRetentionLocal" doc:"Least retention of a namespace: closed runs must be seen before they go."`
	CacheRunsMax           int           `default:"20000" unit:"runs" key:"history.hostLevelCacheMaxSize" doc:"Runs kept in memory, so that the next call on one reads nothing from the store."`
	CacheBytesMax          int           `default:"32MiB" unit:"bytes" key:"history.hostLevelCacheMaxSizeBytes" doc:"Estimated size of the runs kept in memory; the process takes a multiple of it, with room for garbage."`
	RetentionSweep         time.Duration `default:"5m" unit:"time" doc:"Least time between two looks for closed runs whose retention is over; a store that takes long to look through is looked through less often."`
	RequestsPerSecond      int           `default:"100000" unit:"calls/s" key:"frontend.rps" doc:"Calls a node takes a second, bursts of twice that: above what a node can do, so that it is the operator who draws a line."`
	NamespacePerSecond     int           `default:"100000" unit:"calls/s" key:"frontend.namespaceRPS" doc:"Calls a node takes a second for one namespace, bursts of twice that."`
	VisibilityPerSec       int           `default:"100" unit:"units/s" key:"frontend.namespaceRPS.visibility" doc:"What lists and counts of one namespace may cost a node a second: a list or a question for one id is 1 unit, a count or a look inside texts 5. One that is let in pays its whole price."`
	VisibilityQueryTimeout time.Duration `default:"10s" unit:"time" doc:"Longest time of one list or count; the store is told to stop then."`
	VisibilityFreshWait    time.Duration `default:"5s" unit:"time" doc:"Longest wait of a search that asks for what its caller was told of before (perdure-visibility-fresh); a store that is further behind is not to hold callers."`
	TraceSpansMax          int           `default:"2000" unit:"spans" doc:"Spans of one run's trace: back ends cannot show more. What failed stays, then what took longest."`
	TraceQueueMax          int           `default:"4096" unit:"spans" doc:"Spans that wait for the collector in memory; what goes over is dropped, since workflows do not wait for traces."`
	TraceRunsMax           int           `default:"1024" unit:"runs" doc:"Closed runs that wait in memory for their traces to be made; what goes over gets none."`

	VisibilityViewsMax      int           `default:"1000" unit:"views" doc:"Saved filters of one namespace: a list shows all of them."`
	VisibilityViewBytesMax  int           `default:"32KiB" unit:"bytes" doc:"One saved filter with its description: it is one record."`
	VisibilityQueueMax      int           `default:"10000" unit:"runs" doc:"Runs whose records wait in memory for one store of search records; what finds no room is read from the log later."`
	VisibilityQueueBytesMax int           `default:"32MiB" unit:"bytes" doc:"Their size, roughly."`
	VisibilityLogRowsMax    int           `default:"200000" unit:"rows" doc:"Rows of one shard's log that may wait for a store of search records, one for each group of changes; a store further behind is rebuilt from the executions."`
	DeadLettersMax          int           `default:"10000" unit:"records" doc:"Records kept that a store of search records refused; they are listed as a whole."`
	VisibilityRefresh       time.Duration `default:"30s" unit:"time" doc:"How long an open run has rested since it changed when search hears of what is pending: runs that come on to their end cost the store nothing more."`
	VisibilityAuditInterval time.Duration `default:"24h" unit:"time" doc:"Time from the end of one comparison of a store of search records with all runs to the next; 0: they are compared only by command."`
	VisibilityAuditPerSec   int           `default:"5000" unit:"runs/s" doc:"Runs that such a comparison reads a second at most: the store of the runs has other work."`
	VisibilitySlowQuery     time.Duration `default:"1s" unit:"time" doc:"A list or count that takes as long is told in the log, with its plan and without its values."`
	DoctorPatience          time.Duration `default:"10s" unit:"time" doc:"How long something may wait for a worker or another run before a diagnosis calls that a cause: a busy fleet has waits of seconds."`
	DoctorInterval          time.Duration `default:"1m" unit:"time" doc:"Between two looks through the open runs that have waited for a while, whose causes /metrics counts: each lists them and reads those that are not in memory."`
	DoctorRunsPerSec        int           `default:"100" unit:"runs/s" doc:"Runs that such a look examines a second: each may cost the store a read, beside the work of others."`
	DoctorRunsMax           int           `default:"1000" unit:"runs" doc:"Runs that one call for a namespace's diagnosis examines; it tells when there are more."`
	LongPollsMax            int           `default:"10000" unit:"calls" key:"frontend.namespaceCount" doc:"Calls of one method and namespace that wait at the same time: each holds memory."`

	DeploymentsMax             int           `default:"100" unit:"deployments" key:"matching.maxDeployments" doc:"Worker deployments of one namespace: all are kept in memory."`
	DeploymentVersionsMax      int           `default:"100" unit:"versions" key:"matching.maxVersionsInDeployment" doc:"Versions of one worker deployment; the oldest without work and pollers gives way to a new one."`
	DeploymentQueuesMax        int           `default:"100" unit:"queues" key:"matching.maxTaskQueuesInDeploymentVersion" doc:"Task queues of one version of a worker deployment: they are part of its record."`
	DeploymentMetadataBytesMax int           `default:"64KiB" unit:"bytes" doc:"Metadata of one version of a worker deployment: it is part of its record."`
	DrainageGrace              time.Duration `default:"3m" unit:"time" key:"matching.wv.VersionDrainageStatusVisibilityGracePeriod" doc:"From when a version of workers gets no new work to the first look whether it has old work: search must know of all runs by then."`
	DrainageInterval           time.Duration `default:"3m" unit:"time" key:"matching.wv.VersionDrainageStatusRefreshInterval" doc:"Between two looks whether a version of workers still has old work: each counts runs."`
	DeploymentReadsPerSec      int           `default:"50" unit:"calls/s" key:"frontend.globalNamespaceWorkerDeploymentReadRPS" doc:"Descriptions and lists of worker deployments a node takes a second for one namespace, bursts of ten times that: each reads whole records."`

	BuildIDSetsMax          int `default:"10" unit:"sets" key:"limit.versionCompatibleSetLimitPerQueue" doc:"Sets of compatible build ids of one task queue: they are one record."`
	BuildIDsMax             int `default:"100" unit:"build ids" key:"limit.versionBuildIdLimitPerQueue" doc:"Build ids in the sets of one task queue: they are one record."`
	BuildIDQueuesMax        int `default:"20" unit:"queues" key:"limit.taskQueuesPerBuildId" doc:"Task queues whose sets have one build id: a question what it can reach looks at all of them."`
	AssignmentRulesMax      int `default:"100" unit:"rules" key:"limit.wv.AssignmentRuleLimitPerQueue" doc:"Assignment rules of one task queue: each new run tries them in order."`
	RedirectRulesMax        int `default:"500" unit:"rules" key:"limit.wv.RedirectRuleLimitPerQueue" doc:"Redirect rules of one task queue: they are one record."`
	UpstreamBuildsMax       int `default:"50" unit:"build ids" key:"limit.wv.RedirectRuleMaxUpstreamBuildIDsPerQueue" doc:"Build ids that redirect rules lead to one other: a search for its runs names them all."`
	ReachabilityBuildIDsMax int `default:"5" unit:"build ids" key:"limit.reachabilityQueryBuildIds" doc:"Build ids of one question what they can reach: each costs the search store a count."`
	ReachabilityQueuesMax   int `default:"20" unit:"queues" key:"limit.reachabilityTaskQueueScan" doc:"Task queues that one question what build ids can reach looks at: each costs the search store a count."`
}

// ErrUnknownKey tells that no setting has such a dynamic-config key.
var ErrUnknownKey = errors.New("no setting of this server (docs/limits.md lists them)")

// validate refuses limits that would stop everything.
func (l *Limits) validate() error {
	var errs []error
	for _, f := range fields(l) {
		if positive(f.value) {
			continue
		}
		errs = append(errs, fmt.Errorf("limits.%s: must be positive", f.path))
	}
	return errors.Join(errs...)
}

func positive(v reflect.Value) bool {
	if v.CanFloat() {
		return v.Float() > 0
	}
	return v.Int() > 0
}

const (
	// RequestBytesMax is the largest request that is read.
	RequestBytesMax = 4 << 20
	// NamespacePageDefault is the page size of ListNamespaces when none is asked for.
	NamespacePageDefault = 100
	// BadBinariesMax is how many binaries of a namespace may be marked bad.
	BadBinariesMax = 10
	// ArchivedPageMax is the largest page of archived runs a client may ask for.
	ArchivedPageMax = 10000
	// PollMin is the shortest time a client may give to a poll.
	PollMin = 2 * time.Second
)

// fixedLimits are bounds that no setting moves, since stored data or clients count on them.
var fixedLimits = []struct {
	what  string
	value int
	unit  string
	why   string
}{
	{"Search attributes of one run", attr.MaxKeys, "keys", "Each is an index entry."},
	{"Search attributes of a namespace", attr.MaxCustom, "attributes", "They are one record, which each search and each start looks into; of no type is there a fixed number."},
	{"One search attribute's value", attr.MaxValueBytes, "bytes", "Index entries have bounded size in every store."},
	{"All search attributes of one run", attr.MaxTotalBytes, "bytes", "A list carries them all."},
	{"Message of a run's last failure that search keeps", execution.SeenFailureBytesMax, "bytes", "The state is written with each transition, and search answers with few words of it."},
	{"Text of a filter", query.MaxTextBytes, "bytes", "It is parsed for each call; a list of the longest values still fits."},
	{"Depth of NOT and parentheses in a filter", query.MaxDepth, "levels", "Each is a frame of the stack here and a level of the store's own query."},
	{"Predicates of a filter", query.MaxPredicates, "predicates", "Each is a test of every run that is looked at; views count as what they stand for."},
	{"Values of one list in a filter", query.MaxInValues, "values", "Each is an argument of the store's statement."},
	{"Keys of GROUP BY", query.MaxGroupKeys, "keys", "The groups are as many as combinations of their values."},
	{"Groups of a count", query.MaxGroups, "groups", "They are one answer; the first ones are shown, and a header tells that there are more."},
	{"Aggregates of a count", query.MaxAggregates, "aggregates", "Each is computed for every group."},
	{"Terms of ORDER BY", query.MaxOrderTerms, "terms", "A page token holds a value of each."},
	{"Bounds of a RANGE", query.MaxRangeBounds, "numbers", "Each is a group, and a test of every run."},
	{"What search keeps of one thing inside a run", inside.BytesMax, "bytes", "An index is no archive: texts are cut, names and items that come later left out."},
	{"Message of an error", apierr.MessageBytesMax, "bytes", "Headers of an answer are bounded; longer texts are cut."},
	{"Request", RequestBytesMax, "bytes", "It is held in memory as a whole, over gRPC as over HTTP; clients know the text of the refusal."},
	{"Duration that a client gives", int(activity.MaxDuration / (24 * time.Hour)), "days", "Longer ones are cut: added to a time they would overflow."},
	{"Fairness key of a task", match.FairnessKeyBytesMax, "bytes", "Tasks are counted by it in memory."},
	{"Lowest priority of a task", int(match.LowestPriority), "level", "Counted from 1, the highest; lower ones count as this one."},
	{"Namespaces of a page when no size is asked for", NamespacePageDefault, "namespaces", "More than most servers have."},
	{"Bad binaries of a namespace", BadBinariesMax, "binaries", "They are part of its record; every poll looks into them."},
	{"Archived runs of one page", ArchivedPageMax, "runs", "Larger pages are refused."},
	{"Shortest poll", int(PollMin / time.Second), "seconds", "The answer leaves about a second before the caller's time is over, so a shorter one could not wait."},
	{"Shards of a store", shardsMax, "shards", "One slot each at least."},
}

// LimitsMarkdown renders the reference page docs/limits.md.
func LimitsMarkdown() string {
	var b strings.Builder
	b.WriteString("<!-- Generated from server/config by go generate; do not edit. -->\n# Limits\n\n")
	b.WriteString("Keys of `limits:` in the configuration file, or `PERDURE_LIMITS_...` in the environment. Those with a dynamic-config\n")
	b.WriteString("key are also set by `perdure dev --dynamic-config-value KEY=VALUE`.\n\n")
	b.WriteString("| Key | Default | Unit | Why | Dynamic-config key |\n|---|---|---|---|---|\n")
	for _, f := range fields(new(Limits)) {
		key := f.tag.Get("key")
		if key != "" {
			key = "`" + key + "`"
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s | %s |\n", f.path, f.defaultText, f.tag.Get("unit"), f.tag.Get("doc"), key)
	}
	b.WriteString(featuresMarkdown())
	b.WriteString("\n## Fixed\n\n| What | Value | Unit | Why |\n|---|---|---|---|\n")
	for _, f := range fixedLimits {
		fmt.Fprintf(&b, "| %s | %d | %s | %s |\n", f.what, f.value, f.unit, f.why)
	}
	return b.String()
}
