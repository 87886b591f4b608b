package metrics

// Visibility is the way from a commit to search, and search.
const Visibility Domain = "Visibility"

// VisibilityDoc labels one record's write. Kind is index or delete.
type VisibilityDoc struct{ Store, Kind, Outcome string }

// VisibilityQuery labels one search. API is list or count, Shape what the store has to do for it.
type VisibilityQuery struct{ Store, API, Shape, Outcome string }

// VisibilityFailure labels a record that a store did not take. Class is busy, blocked or refused.
type VisibilityFailure struct{ Store, Class string }

// VisibilityCompared labels a search that two stores answered. Store is the one that was asked as well.
type VisibilityCompared struct{ Store, API, Outcome string }

// VisibilityReason labels what a store has to be rebuilt for.
type VisibilityReason struct{ Store, Reason string }

// VisibilityDifference labels a run that a store had otherwise than it is. Kind is missing, stale or orphan.
type VisibilityDifference struct{ Store, Kind string }

var (
	// VisibilityLag times records from commit to being searchable.
	VisibilityLag = histogram[Store](Def{Domain: Visibility, Name: "perdure_visibility_index_lag_seconds", Unit: "seconds", Buckets: slow,
		Help: "Time from a run's commit until its record was written to the visibility store."})
	// VisibilityFindable times records from commit to being found by a search.
	VisibilityFindable = histogram[Store](Def{Domain: Visibility, Name: "perdure_visibility_findable_lag_seconds", Unit: "seconds", Buckets: slow,
		Help: "Time from a run's commit until a search of the store found it, of one record every 5 s; only stores that show records later than they take them."})
	// VisibilityPending counts records to be written.
	VisibilityPending = gauge[Store](Def{Domain: Visibility, Name: "perdure_visibility_pending_tasks", Unit: "records",
		Help: "Records that wait in memory to be written."})
	// VisibilityPendingBytes is about what they take.
	VisibilityPendingBytes = gauge[Store](Def{Domain: Visibility, Name: "perdure_visibility_pending_bytes", Unit: "bytes",
		Help: "Estimated size of the records that wait in memory to be written."})
	// VisibilityBlocked tells that a store takes nothing.
	VisibilityBlocked = gauge[Store](Def{Domain: Visibility, Name: "perdure_visibility_store_blocked", Unit: "stores",
		Help: "1 while the store takes nothing at all and is only tried from time to time, else 0."})
	// VisibilityFailures counts what stores say of records they do not take.
	VisibilityFailures = counter[VisibilityFailure](Def{Domain: Visibility, Name: "perdure_visibility_failures_total", Unit: "records",
		Help: "Records that the store did not take, by class: busy (tried again), blocked (the store takes nothing), refused (written without custom attributes)."})
	// VisibilityBehind counts shards whose store is fed from the log.
	VisibilityBehind = gauge[Store](Def{Domain: Visibility, Name: "perdure_visibility_behind_shards", Unit: "shards",
		Help: "Shards of which the store gets changes from the log, since memory did not hold all."})
	// VisibilityRebuilds counts rebuilds.
	VisibilityRebuilds = counter[VisibilityReason](Def{Domain: Visibility, Name: "perdure_visibility_rebuilds_total", Unit: "rebuilds",
		Help: "Rebuilds of a store from the executions that began, by reason (new, behind, asked)."})
	// VisibilityRebuilt counts what rebuilds have gone through.
	VisibilityRebuilt = counter[Store](Def{Domain: Visibility, Name: "perdure_visibility_rebuilt_total", Unit: "runs",
		Help: "Runs that rebuilds have read from the executions."})
	// VisibilityAudited counts what audits have compared.
	VisibilityAudited = counter[Store](Def{Domain: Visibility, Name: "perdure_visibility_audited_total", Unit: "runs",
		Help: "Runs that finished audits have compared with the store."})
	// VisibilityDifferences counts what audits have found.
	VisibilityDifferences = counter[VisibilityDifference](Def{Domain: Visibility, Name: "perdure_visibility_audit_differences_total", Unit: "runs",
		Help: "Runs that an audit found otherwise in the store than they are, by kind (missing, stale, orphan)."})
	// VisibilityShadow counts compared searches.
	VisibilityShadow = counter[VisibilityCompared](Def{Domain: Visibility, Name: "perdure_visibility_shadow_total", Unit: "queries",
		Help: "Searches that were also sent to the shadow store, by outcome (same, different, error, skipped)."})
	// VisibilityOldest tells how far behind the indexer is.
	VisibilityOldest = gauge[Store](Def{Domain: Visibility, Name: "perdure_visibility_oldest_pending_seconds", Unit: "seconds",
		Help: "Age of the oldest change that is not in the store, in memory or in the log."})
	// VisibilityDocs counts written records.
	VisibilityDocs = counter[VisibilityDoc](Def{Domain: Visibility, Name: "perdure_visibility_docs_total", Unit: "records",
		Help: "Records, by kind (index, delete) and outcome (ok, coalesced, retry, error: written without custom attributes, dropped: taken in no form)."})
	// VisibilityBulkDuration times one batch of records.
	VisibilityBulkDuration = histogram[Store](Def{Domain: Visibility, Name: "perdure_visibility_bulk_duration_seconds", Unit: "seconds", Buckets: fast,
		Help: "Time one batch of records took in the visibility store."})
	// VisibilityBulkDocs tells how large batches are.
	VisibilityBulkDocs = histogram[Store](Def{Domain: Visibility, Name: "perdure_visibility_bulk_docs", Unit: "records", Buckets: count,
		Help: "Records that shared one batch."})
	// VisibilityQueries counts searches.
	VisibilityQueries = counter[VisibilityQuery](Def{Domain: Visibility, Name: "perdure_visibility_query_total", Unit: "queries",
		Help: "Searches, by API (list, count), shape (point, list, aggregate, infix) and outcome (ok, invalid, timeout, canceled, error)."})
	// VisibilityQueryDuration times searches.
	VisibilityQueryDuration = histogram[Store](Def{Domain: Visibility, Name: "perdure_visibility_query_duration_seconds", Unit: "seconds", Buckets: fast,
		Help: "Time of one search in the visibility store."})
)
