package metrics

// Buckets are shared, so that panels of different metrics can be laid over one another.
var (
	// fast suits RPCs, commits and queries. Seconds.
	fast = []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60}
	// slow suits waiting and lag. Seconds.
	slow = []float64{.01, .05, .1, .5, 1, 2, 5, 10, 30, 60, 120, 300, 600, 1800, 3600, 21600}
	// stages suits parts of a workflow, of which there are many: fewer bounds. Seconds.
	stages = []float64{.0005, .001, .005, .01, .05, .1, .5, 1, 10, 60, 600, 3600}
	// life suits whole workflows. Seconds, one second to thirty days.
	life = []float64{1, 5, 10, 30, 60, 300, 900, 3600, 21600, 86400, 604800, 2592000}
	// size suits payloads, histories and commits. Bytes, 256 B to 64 MiB.
	size = []float64{256, 1024, 4096, 16384, 65536, 262144, 1048576, 4194304, 16777216, 67108864}
	// count suits how many things one operation took together.
	count = []float64{1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 5000, 10000, 50000}
)
