package metrics

// Cache is what is kept in memory instead of being read again.
const Cache Domain = "Cache"

// CacheName names a cache: execution, current, history.
type CacheName struct{ Cache string }

// CacheResult labels a look-up: hit or miss.
type CacheResult struct{ Cache, Result string }

var (
	// CacheRequests counts look-ups.
	CacheRequests = counter[CacheResult](Def{Domain: Cache, Name: "perdure_cache_requests_total", Unit: "requests",
		Help: "Look-ups, by cache and result (hit, miss)."})
	// CacheEntries counts what is cached.
	CacheEntries = gauge[CacheName](Def{Domain: Cache, Name: "perdure_cache_entries", Unit: "entries",
		Help: "Entries held."})
	// CacheBytes tells how much memory the entries take.
	CacheBytes = gauge[CacheName](Def{Domain: Cache, Name: "perdure_cache_bytes", Unit: "bytes",
		Help: "Estimated memory of the entries held."})
	// RunLockWait times calls that met another call on the same run.
	RunLockWait = histogram[None](Def{Domain: Cache, Name: "perdure_run_lock_wait_seconds", Unit: "seconds", Buckets: fast,
		Help: "Time a decision waited for the run's lock; decisions that found it free are left out."})
	// CacheEvicted counts what had to go.
	CacheEvicted = counter[CacheName](Def{Domain: Cache, Name: "perdure_cache_evicted_total", Unit: "entries",
		Help: "Entries dropped to make room."})
)
