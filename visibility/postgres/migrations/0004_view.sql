-- What dashboards read. Columns may be added, none goes. A filter on start_ns or close_key, nanoseconds since 1970, and on namespace_id uses
-- an index; one on started_at or closed_at does not.
CREATE VIEW visibility_runs AS
SELECT n.namespace_id, e.workflow_id, e.run_id, e.workflow_type, e.task_queue, e.division,
    (ARRAY['Running', 'Completed', 'Failed', 'Canceled', 'Terminated', 'ContinuedAsNew', 'TimedOut', 'Paused'])[e.status] AS status,
    timestamptz 'epoch' + e.start_ns / 1000 * interval '1 microsecond' AS started_at,
    timestamptz 'epoch' + e.close_ns / 1000 * interval '1 microsecond' AS closed_at,
    e.duration_ns / 1e9::float8 AS duration_seconds,
    e.history_length, e.history_size_bytes, e.attributes, e.start_ns, e.close_key
FROM visibility_executions e JOIN visibility_namespaces n ON n.number = e.namespace
WHERE NOT e.deleted;
