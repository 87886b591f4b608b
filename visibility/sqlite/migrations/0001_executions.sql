-- Namespaces have numbers: their names would take a third of each entry of each index.
CREATE TABLE visibility_namespaces (
    number       INTEGER PRIMARY KEY,
    namespace_id TEXT    NOT NULL UNIQUE
);

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

-- The runs that have pending items which are told of, in the default order of lists.
CREATE INDEX visibility_executions_items ON visibility_executions (namespace, close_key DESC, start_ns DESC, run_id DESC)
    WHERE NOT deleted AND json_type(attributes, '$."0:items"') IS NOT NULL;

-- How many runs there are by division and status. Triggers keep it, so that it is right whoever writes.
CREATE TABLE visibility_counts (
    namespace INTEGER NOT NULL,
    status    INTEGER NOT NULL,
    division  TEXT,
    runs      INTEGER NOT NULL
);

CREATE UNIQUE INDEX visibility_counts_key ON visibility_counts (namespace, status, division IS NULL, COALESCE(division, ''));

CREATE TRIGGER visibility_count_inserted AFTER INSERT ON visibility_executions WHEN NOT NEW.deleted BEGIN
    INSERT INTO visibility_counts (namespace, status, division, runs) VALUES (NEW.namespace, NEW.status, NEW.division, 1)
    ON CONFLICT (namespace, status, division IS NULL, COALESCE(division, '')) DO UPDATE SET runs = runs + 1;
END;

CREATE TRIGGER visibility_count_updated_to AFTER UPDATE OF deleted, status, division ON visibility_executions
WHEN NOT NEW.deleted AND (OLD.deleted OR NEW.status <> OLD.status OR NEW.division IS NOT OLD.division) BEGIN
    INSERT INTO visibility_counts (namespace, status, division, runs) VALUES (NEW.namespace, NEW.status, NEW.division, 1)
    ON CONFLICT (namespace, status, division IS NULL, COALESCE(division, '')) DO UPDATE SET runs = runs + 1;
END;

CREATE TRIGGER visibility_count_updated_from AFTER UPDATE OF deleted, status, division ON visibility_executions
WHEN NOT OLD.deleted AND (NEW.deleted OR NEW.status <> OLD.status OR NEW.division IS NOT OLD.division) BEGIN
    UPDATE visibility_counts SET runs = runs - 1 WHERE namespace = OLD.namespace AND status = OLD.status
        AND (division IS NULL) = (OLD.division IS NULL) AND COALESCE(division, '') = COALESCE(OLD.division, '');
END;

CREATE TRIGGER visibility_count_deleted AFTER DELETE ON visibility_executions WHEN NOT OLD.deleted BEGIN
    UPDATE visibility_counts SET runs = runs - 1 WHERE namespace = OLD.namespace AND status = OLD.status
        AND (division IS NULL) = (OLD.division IS NULL) AND COALESCE(division, '') = COALESCE(OLD.division, '');
END;

-- Indexes of single attributes that operators asked for, once they are ready.
CREATE TABLE visibility_indexes (
    name      text PRIMARY KEY,
    attribute text NOT NULL,
    type      INTEGER NOT NULL,
    use       text NOT NULL
);

-- Which index queries would have used, and how long they took.
CREATE TABLE visibility_index_wishes (
    attribute   text NOT NULL,
    type        INTEGER NOT NULL,
    use         text NOT NULL,
    queries     INTEGER NOT NULL,
    nanoseconds INTEGER NOT NULL,
    PRIMARY KEY (attribute, type, use)
);
