package metrics

// Visibility is the way from a commit to search, and search.
const Visibility Domain = "Visibility"

// VisibilityDoc labels one record's write. Kind is index or delete.
type VisibilityDoc struct{ Store, Kind, Outcome string }

// VisibilityQuery labels one search. API is list or count, Shape what the store has to do for it.
type VisibilityQuery struct{ Store, API, Shape, Outcome string }

var (
	// VisibilityLag times records from commit to being searchable.
	VisibilityLag = histogram[Store](Def{Domain: Visibility, Name: "perdure_visibility_index_lag_seconds", Unit: "seconds", Buckets: slow,
		Help: "Time from a run's commit until its record was written to the visibility store."})
	// VisibilityPending counts records to be written.
	VisibilityPending = gauge[Store](Def{Domain: Visibility, Name: "perdure_visibility_pending_tasks", Unit: "records",
		Help: "Records that wait to be written."})
	// VisibilityOldest tells how far behind the indexer is.
	VisibilityOldest = gauge[Store](Def{Domain: Visibility, Name: "perdure_visibility_oldest_pending_seconds", Unit: "seconds",
		Help: "Age of the oldest record that waits to be written."})
	// VisibilityDocs counts written records.
	VisibilityDocs = counter[VisibilityDoc](Def{Domain: Visibility, Name: "perdure_visibility_docs_total", Unit: "records",
		Help: "Records, by kind (index, delete) and outcome (ok, stale, coalesced, retry, error)."})
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
