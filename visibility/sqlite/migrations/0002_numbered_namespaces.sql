-- Namespaces have numbers: their names took a third of each entry of each index.
CREATE TABLE visibility_namespaces (
    number       INTEGER PRIMARY KEY,
    namespace_id TEXT    NOT NULL UNIQUE
);

ALTER TABLE visibility_executions RENAME TO visibility_executions_1;
DROP INDEX visibility_executions_order;
DROP INDEX visibility_executions_workflow;
DROP INDEX visibility_executions_type;
DROP INDEX visibility_executions_status;
DROP INDEX visibility_executions_tombstones;

INSERT INTO visibility_namespaces (namespace_id) SELECT DISTINCT namespace_id FROM visibility_executions_1;

CREATE TABLE visibility_executions (
    namespace              INTEGER NOT NULL, -- of visibility_namespaces
    run_id                 TEXT    NOT NULL,
    version                INTEGER NOT NULL,
    deleted                INTEGER NOT NULL,
    deleted_ns             INTEGER,
    workflow_id            TEXT    NOT NULL,
    workflow_type          TEXT    NOT NULL,
    task_queue             TEXT    NOT NULL,
    status                 INTEGER NOT NULL,
    start_ns               INTEGER NOT NULL,
    execution_ns           INTEGER NOT NULL,
    close_key              INTEGER NOT NULL, -- close_ns, or the greatest integer while the run is open
    close_ns               INTEGER,
    duration_ns            INTEGER,
    history_length         INTEGER,
    history_size_bytes     INTEGER,
    state_transition_count INTEGER,
    parent_workflow_id     TEXT,
    parent_run_id          TEXT,
    root_workflow_id       TEXT,
    root_run_id            TEXT,
    division               TEXT,
    attributes             TEXT,             -- all others, as JSON; null without any
    record                 BLOB    NOT NULL, -- what a list returns
    PRIMARY KEY (namespace, run_id)
);

INSERT INTO visibility_executions SELECT n.number, run_id, version, deleted, deleted_ns, workflow_id, workflow_type, task_queue, status,
    start_ns, execution_ns, close_key, close_ns, duration_ns, history_length, history_size_bytes, state_transition_count,
    parent_workflow_id, parent_run_id, root_workflow_id, root_run_id, division, NULLIF(attributes, '{}'), record
FROM visibility_executions_1 JOIN visibility_namespaces n USING (namespace_id);

DROP TABLE visibility_executions_1;

CREATE INDEX visibility_executions_order ON visibility_executions (namespace, close_key DESC, start_ns DESC, run_id DESC) WHERE NOT deleted;
CREATE INDEX visibility_executions_workflow ON visibility_executions (namespace, workflow_id, close_key DESC, start_ns DESC, run_id DESC) WHERE NOT deleted;
CREATE INDEX visibility_executions_type ON visibility_executions (namespace, workflow_type, close_key DESC, start_ns DESC, run_id DESC) WHERE NOT deleted;
CREATE INDEX visibility_executions_status ON visibility_executions (namespace, status, close_key DESC, start_ns DESC, run_id DESC) WHERE NOT deleted;
CREATE INDEX visibility_executions_start ON visibility_executions (namespace, start_ns DESC, run_id DESC) WHERE NOT deleted;
CREATE INDEX visibility_executions_tombstones ON visibility_executions (deleted_ns) WHERE deleted;

-- What few runs have, or what differs from its usual value in few.
CREATE INDEX visibility_executions_parent ON visibility_executions (namespace, parent_workflow_id) WHERE NOT deleted AND parent_workflow_id IS NOT NULL;
CREATE INDEX visibility_executions_root ON visibility_executions (namespace, root_workflow_id) WHERE NOT deleted AND root_workflow_id <> workflow_id;
CREATE INDEX visibility_executions_division ON visibility_executions (namespace, division, close_key DESC, start_ns DESC, run_id DESC) WHERE NOT deleted AND division IS NOT NULL;
