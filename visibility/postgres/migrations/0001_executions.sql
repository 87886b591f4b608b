-- Namespaces have numbers: their names would take a third of each entry of each index.
CREATE TABLE visibility_namespaces (
    number       integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    namespace_id text COLLATE "C" NOT NULL UNIQUE
);

CREATE TABLE visibility_executions (
    namespace              integer NOT NULL, -- of visibility_namespaces
    status                 integer NOT NULL,
    version                bigint NOT NULL,
    deleted_ns             bigint,
    start_ns               bigint NOT NULL,
    execution_ns           bigint NOT NULL,
    close_key              bigint NOT NULL, -- close_ns, or the greatest integer while the run is open
    close_ns               bigint,
    duration_ns            bigint,
    history_length         bigint,
    history_size_bytes     bigint,
    state_transition_count bigint,
    deleted                boolean NOT NULL,
    run_id                 text COLLATE "C" NOT NULL,
    workflow_id            text COLLATE "C" NOT NULL,
    workflow_type          text COLLATE "C" NOT NULL,
    task_queue             text COLLATE "C" NOT NULL,
    parent_workflow_id     text COLLATE "C",
    parent_run_id          text COLLATE "C",
    root_workflow_id       text COLLATE "C",
    root_run_id            text COLLATE "C",
    division               text COLLATE "C",
    attributes             jsonb, -- all others, as JSON; null without any
    record                 bytea NOT NULL, -- what a list returns
    PRIMARY KEY (namespace, run_id)
)
-- Plans depend on statistics, so these are kept newer than by default.
WITH (autovacuum_analyze_scale_factor = 0.02, autovacuum_vacuum_insert_scale_factor = 0.05);

-- The default order of lists goes on with run_id, which few indexes have: the runs that started and ended in one nanosecond are sorted.
CREATE INDEX visibility_executions_order ON visibility_executions (namespace, close_key DESC, start_ns DESC) WHERE NOT deleted;
CREATE INDEX visibility_executions_workflow ON visibility_executions (namespace, workflow_id, close_key DESC, start_ns DESC) INCLUDE (division) WHERE NOT deleted;
CREATE INDEX visibility_executions_type ON visibility_executions (namespace, workflow_type, close_key DESC, start_ns DESC) WHERE NOT deleted;
CREATE INDEX visibility_executions_queue ON visibility_executions (namespace, task_queue, close_key DESC, start_ns DESC) WHERE NOT deleted;
CREATE INDEX visibility_executions_status ON visibility_executions (namespace, status, close_key DESC, start_ns DESC) WHERE NOT deleted;
CREATE INDEX visibility_executions_tombstones ON visibility_executions (deleted_ns) WHERE deleted;

-- What few runs have, or what differs from its usual value in few.
CREATE INDEX visibility_executions_parent ON visibility_executions (namespace, parent_workflow_id, close_key DESC, start_ns DESC) WHERE NOT deleted AND parent_workflow_id IS NOT NULL;
CREATE INDEX visibility_executions_parent_run ON visibility_executions (namespace, parent_run_id, close_key DESC, start_ns DESC) WHERE NOT deleted AND parent_run_id IS NOT NULL;
CREATE INDEX visibility_executions_root ON visibility_executions (namespace, root_workflow_id, close_key DESC, start_ns DESC) WHERE NOT deleted AND root_workflow_id <> workflow_id;
CREATE INDEX visibility_executions_root_run ON visibility_executions (namespace, root_run_id, close_key DESC, start_ns DESC) WHERE NOT deleted AND root_run_id <> run_id;
CREATE INDEX visibility_executions_division ON visibility_executions (namespace, division, close_key DESC, start_ns DESC) WHERE NOT deleted AND division IS NOT NULL;

-- The runs that have pending items which are told of, in the default order of lists: few, since only open runs of namespaces that ask for it.
CREATE INDEX visibility_executions_items ON visibility_executions (namespace, close_key DESC, start_ns DESC)
    WHERE NOT deleted AND jsonb_exists(attributes, '0:items');

-- Ranges. The default order stands behind the value, so that an index alone tells which of a range's runs come first.
-- Lists look at runs of no division unless they say otherwise.
CREATE INDEX visibility_executions_start ON visibility_executions (namespace, start_ns DESC, close_key DESC) INCLUDE (division) WHERE NOT deleted;
CREATE INDEX visibility_executions_execution ON visibility_executions (namespace, execution_ns DESC, close_key DESC, start_ns DESC) WHERE NOT deleted AND division IS NULL;
CREATE INDEX visibility_executions_duration ON visibility_executions (namespace, duration_ns, close_key DESC, start_ns DESC) WHERE NOT deleted AND division IS NULL AND duration_ns IS NOT NULL;
CREATE INDEX visibility_executions_length ON visibility_executions (namespace, history_length, close_key DESC, start_ns DESC) WHERE NOT deleted AND division IS NULL AND history_length IS NOT NULL;
CREATE INDEX visibility_executions_size ON visibility_executions (namespace, history_size_bytes, close_key DESC, start_ns DESC) WHERE NOT deleted AND division IS NULL AND history_size_bytes IS NOT NULL;
CREATE INDEX visibility_executions_transitions ON visibility_executions (namespace, state_transition_count, close_key DESC, start_ns DESC) WHERE NOT deleted AND division IS NULL AND state_transition_count IS NOT NULL;

-- The long ends of these are in few of the hundred steps that statistics have by default, and whether few or many runs are there decides.
ALTER TABLE visibility_executions ALTER start_ns SET STATISTICS 500, ALTER execution_ns SET STATISTICS 500, ALTER duration_ns SET STATISTICS 500,
    ALTER history_length SET STATISTICS 500, ALTER history_size_bytes SET STATISTICS 500, ALTER state_transition_count SET STATISTICS 500,
    ALTER workflow_id SET STATISTICS 500;

-- A search reads what is pending of this index from one end to the other, so little may be pending.
CREATE INDEX visibility_executions_attributes ON visibility_executions USING gin (attributes jsonb_path_ops)
    WITH (gin_pending_list_limit = 512) WHERE NOT deleted AND attributes IS NOT NULL;

-- How many runs there are by division and status, each number in parts: a writer changes the part of its own connection, so that
-- writers do not wait for one another. Triggers keep it, so that it is right whoever writes.
CREATE TABLE visibility_counts (
    namespace integer NOT NULL,
    part      integer NOT NULL,
    status    integer NOT NULL,
    division  text COLLATE "C",
    runs      bigint NOT NULL
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000);

CREATE UNIQUE INDEX visibility_counts_key ON visibility_counts (namespace, status, part, (division IS NULL), (COALESCE(division, '')));

CREATE FUNCTION visibility_count_inserted() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO visibility_counts AS c (namespace, part, status, division, runs)
    SELECT namespace, pg_backend_pid() & 15, status, division, count(*) FROM added WHERE NOT deleted
    GROUP BY namespace, status, division ORDER BY namespace, status, division
    ON CONFLICT (namespace, status, part, (division IS NULL), (COALESCE(division, ''))) DO UPDATE SET runs = c.runs + excluded.runs;
    RETURN NULL;
END $$;

CREATE FUNCTION visibility_count_updated() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO visibility_counts AS c (namespace, part, status, division, runs)
    SELECT namespace, pg_backend_pid() & 15, status, division, sum(change) FROM (
        SELECT namespace, status, division, 1 AS change FROM added WHERE NOT deleted
        UNION ALL SELECT namespace, status, division, -1 FROM removed WHERE NOT deleted
    ) AS changes
    GROUP BY namespace, status, division HAVING sum(change) <> 0 ORDER BY namespace, status, division
    ON CONFLICT (namespace, status, part, (division IS NULL), (COALESCE(division, ''))) DO UPDATE SET runs = c.runs + excluded.runs;
    RETURN NULL;
END $$;

CREATE FUNCTION visibility_count_deleted() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO visibility_counts AS c (namespace, part, status, division, runs)
    SELECT namespace, pg_backend_pid() & 15, status, division, -count(*) FROM removed WHERE NOT deleted
    GROUP BY namespace, status, division ORDER BY namespace, status, division
    ON CONFLICT (namespace, status, part, (division IS NULL), (COALESCE(division, ''))) DO UPDATE SET runs = c.runs + excluded.runs;
    RETURN NULL;
END $$;

CREATE TRIGGER visibility_count_inserted AFTER INSERT ON visibility_executions REFERENCING NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION visibility_count_inserted();
CREATE TRIGGER visibility_count_updated AFTER UPDATE ON visibility_executions REFERENCING OLD TABLE AS removed NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION visibility_count_updated();
CREATE TRIGGER visibility_count_deleted AFTER DELETE ON visibility_executions REFERENCING OLD TABLE AS removed
    FOR EACH STATEMENT EXECUTE FUNCTION visibility_count_deleted();

-- Indexes of single attributes that operators asked for, once they are ready.
CREATE TABLE visibility_indexes (
    name      text PRIMARY KEY,
    attribute text COLLATE "C" NOT NULL,
    type      integer NOT NULL,
    use       text NOT NULL
);

-- Which index queries would have used, and how long they took.
CREATE TABLE visibility_index_wishes (
    attribute   text COLLATE "C" NOT NULL,
    type        integer NOT NULL,
    use         text NOT NULL,
    queries     bigint NOT NULL,
    nanoseconds bigint NOT NULL,
    PRIMARY KEY (attribute, type, use)
);

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
