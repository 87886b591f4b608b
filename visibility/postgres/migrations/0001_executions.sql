CREATE TABLE visibility_executions (
    namespace_id           text COLLATE "C" NOT NULL,
    run_id                 text COLLATE "C" NOT NULL,
    version                bigint NOT NULL,
    deleted                boolean NOT NULL,
    deleted_ns             bigint,
    workflow_id            text COLLATE "C" NOT NULL,
    workflow_type          text COLLATE "C" NOT NULL,
    task_queue             text COLLATE "C" NOT NULL,
    status                 bigint NOT NULL,
    start_ns               bigint NOT NULL,
    execution_ns           bigint NOT NULL,
    close_key              bigint NOT NULL, -- close_ns, or the greatest integer while the run is open
    close_ns               bigint,
    duration_ns            bigint,
    history_length         bigint,
    history_size_bytes     bigint,
    state_transition_count bigint,
    parent_workflow_id     text COLLATE "C",
    parent_run_id          text COLLATE "C",
    root_workflow_id       text COLLATE "C",
    root_run_id            text COLLATE "C",
    division               text COLLATE "C",
    attributes             jsonb NOT NULL, -- all others, as JSON
    record                 bytea NOT NULL, -- what a list returns
    PRIMARY KEY (namespace_id, run_id)
);

CREATE INDEX visibility_executions_order ON visibility_executions (namespace_id, close_key DESC, start_ns DESC, run_id DESC) WHERE NOT deleted;
CREATE INDEX visibility_executions_workflow ON visibility_executions (namespace_id, workflow_id, close_key DESC, start_ns DESC, run_id DESC) WHERE NOT deleted;
CREATE INDEX visibility_executions_type ON visibility_executions (namespace_id, workflow_type, close_key DESC, start_ns DESC, run_id DESC) WHERE NOT deleted;
CREATE INDEX visibility_executions_status ON visibility_executions (namespace_id, status, close_key DESC, start_ns DESC, run_id DESC) WHERE NOT deleted;
CREATE INDEX visibility_executions_attributes ON visibility_executions USING gin (attributes jsonb_path_ops) WHERE NOT deleted;
CREATE INDEX visibility_executions_tombstones ON visibility_executions (deleted_ns) WHERE deleted;
