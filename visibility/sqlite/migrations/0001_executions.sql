CREATE TABLE visibility_executions (
    namespace_id           TEXT    NOT NULL,
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
    attributes             TEXT    NOT NULL, -- all others, as JSON
    record                 BLOB    NOT NULL, -- what a list returns
    PRIMARY KEY (namespace_id, run_id)
);

CREATE INDEX visibility_executions_order ON visibility_executions (namespace_id, close_key DESC, start_ns DESC, run_id DESC) WHERE NOT deleted;
CREATE INDEX visibility_executions_workflow ON visibility_executions (namespace_id, workflow_id, close_key DESC, start_ns DESC, run_id DESC) WHERE NOT deleted;
CREATE INDEX visibility_executions_type ON visibility_executions (namespace_id, workflow_type, close_key DESC, start_ns DESC, run_id DESC) WHERE NOT deleted;
CREATE INDEX visibility_executions_status ON visibility_executions (namespace_id, status, close_key DESC, start_ns DESC, run_id DESC) WHERE NOT deleted;
CREATE INDEX visibility_executions_tombstones ON visibility_executions (deleted_ns) WHERE deleted;
