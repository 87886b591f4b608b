package sqlform

// Statements of an inventory. Deleted runs are not in it.
const (
	// InventoryNamespaces lists the ids of namespaces that have runs.
	InventoryNamespaces = "SELECT namespace_id FROM " + NamespacesTable + " n WHERE EXISTS (SELECT 1 FROM " + Table +
		" e WHERE e.namespace = n.number AND NOT e.deleted) ORDER BY namespace_id"
	// InventoryRuns gives start, run id and version of the runs of a namespace's number, to be summed up.
	InventoryRuns = "SELECT start_ns, run_id, version FROM " + Table + " WHERE namespace = $1 AND NOT deleted"
	// InventoryKeys pages through a namespace's runs that started in [$2, $3), behind a run id.
	InventoryKeys = "SELECT run_id, workflow_id, version FROM " + Table +
		" WHERE namespace = $1 AND NOT deleted AND start_ns >= $2 AND start_ns < $3 AND run_id > $4 ORDER BY run_id LIMIT $5"
)

// InventoryArgs are the arguments of InventoryKeys.
func InventoryArgs(number, bucket, bucketNanos int64, after string, limit int) []any {
	end := bucket + bucketNanos
	if end < bucket {
		end = 1<<63 - 1
	}
	return []any{number, bucket, end, Text(after), int64(limit)}
}
