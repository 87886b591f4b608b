-- Namespaces have numbers: their names took a third of each entry of each index.
CREATE TABLE visibility_namespaces (
    number       integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    namespace_id text COLLATE "C" NOT NULL UNIQUE
);

ALTER TABLE visibility_executions RENAME TO visibility_executions_1;
ALTER TABLE visibility_executions_1 RENAME CONSTRAINT visibility_executions_pkey TO visibility_executions_1_pkey;
DROP INDEX visibility_executions_order, visibility_executions_workflow, visibility_executions_type, visibility_executions_status,
    visibility_executions_attributes, visibility_executions_tombstones;

INSERT INTO visibility_namespaces (namespace_id) SELECT DISTINCT namespace_id FROM visibility_executions_1 ORDER BY namespace_id;

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
    record                 bytea NOT NULL -- what a list returns
)
-- Plans depend on statistics, so these are kept newer than by default.
WITH (autovacuum_analyze_scale_factor = 0.02, autovacuum_vacuum_insert_scale_factor = 0.05);

INSERT INTO visibility_executions (namespace, run_id, version, deleted, deleted_ns, workflow_id, workflow_type, task_queue, status,
    start_ns, execution_ns, close_key, close_ns, duration_ns, history_length, history_size_bytes, state_transition_count,
    parent_workflow_id, parent_run_id, root_workflow_id, root_run_id, division, attributes, record)
SELECT n.number, run_id, version, deleted, deleted_ns, workflow_id, workflow_type, task_queue, status,
    start_ns, execution_ns, close_key, close_ns, duration_ns, history_length, history_size_bytes, state_transition_count,
    parent_workflow_id, parent_run_id, root_workflow_id, root_run_id, division, NULLIF(attributes, '{}'::jsonb), record
FROM visibility_executions_1 JOIN visibility_namespaces n USING (namespace_id);

DROP TABLE visibility_executions_1;

ALTER TABLE visibility_executions ADD PRIMARY KEY (namespace, run_id);
CREATE INDEX visibility_executions_order ON visibility_executions (namespace, close_key DESC, start_ns DESC, run_id DESC) WHERE NOT deleted;
CREATE INDEX visibility_executions_workflow ON visibility_executions (namespace, workflow_id, close_key DESC, start_ns DESC, run_id DESC) WHERE NOT deleted;
CREATE INDEX visibility_executions_type ON visibility_executions (namespace, workflow_type, close_key DESC, start_ns DESC, run_id DESC) WHERE NOT deleted;
CREATE INDEX visibility_executions_queue ON visibility_executions (namespace, task_queue, close_key DESC, start_ns DESC, run_id DESC) WHERE NOT deleted;
CREATE INDEX visibility_executions_status ON visibility_executions (namespace, status, close_key DESC, start_ns DESC, run_id DESC) WHERE NOT deleted;
CREATE INDEX visibility_executions_start ON visibility_executions (namespace, start_ns DESC, run_id DESC) WHERE NOT deleted;
CREATE INDEX visibility_executions_tombstones ON visibility_executions (deleted_ns) WHERE deleted;

-- What few runs have, or what differs from its usual value in few.
CREATE INDEX visibility_executions_execution ON visibility_executions (namespace, execution_ns DESC, run_id DESC) WHERE NOT deleted AND execution_ns <> start_ns;
CREATE INDEX visibility_executions_parent ON visibility_executions (namespace, parent_workflow_id, close_key DESC, start_ns DESC, run_id DESC) WHERE NOT deleted AND parent_workflow_id IS NOT NULL;
CREATE INDEX visibility_executions_parent_run ON visibility_executions (namespace, parent_run_id, close_key DESC, start_ns DESC, run_id DESC) WHERE NOT deleted AND parent_run_id IS NOT NULL;
CREATE INDEX visibility_executions_root ON visibility_executions (namespace, root_workflow_id, close_key DESC, start_ns DESC, run_id DESC) WHERE NOT deleted AND root_workflow_id <> workflow_id;
CREATE INDEX visibility_executions_root_run ON visibility_executions (namespace, root_run_id, close_key DESC, start_ns DESC, run_id DESC) WHERE NOT deleted AND root_run_id <> run_id;
CREATE INDEX visibility_executions_division ON visibility_executions (namespace, division, close_key DESC, start_ns DESC, run_id DESC) WHERE NOT deleted AND division IS NOT NULL;

-- What is known once a run has ended.
CREATE INDEX visibility_executions_duration ON visibility_executions (namespace, duration_ns) WHERE NOT deleted AND duration_ns IS NOT NULL;
CREATE INDEX visibility_executions_length ON visibility_executions (namespace, history_length) WHERE NOT deleted AND history_length IS NOT NULL;
CREATE INDEX visibility_executions_size ON visibility_executions (namespace, history_size_bytes) WHERE NOT deleted AND history_size_bytes IS NOT NULL;
CREATE INDEX visibility_executions_transitions ON visibility_executions (namespace, state_transition_count) WHERE NOT deleted AND state_transition_count IS NOT NULL;

-- A search reads what is pending of this index from one end to the other, so little may be pending.
CREATE INDEX visibility_executions_attributes ON visibility_executions USING gin (attributes jsonb_path_ops)
    WITH (gin_pending_list_limit = 512) WHERE NOT deleted AND attributes IS NOT NULL;
