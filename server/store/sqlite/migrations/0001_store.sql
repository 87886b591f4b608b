-- Times are microseconds since the Unix epoch.
CREATE TABLE shard (
  shard_id   INTEGER PRIMARY KEY,
  first_slot INTEGER NOT NULL,
  last_slot  INTEGER NOT NULL,
  epoch      INTEGER NOT NULL,
  owner      TEXT NOT NULL,
  renewed_at INTEGER,
  cursors    BLOB NOT NULL,
  trimmed    INTEGER NOT NULL -- highest sequence number ever trimmed from the log
) STRICT;

-- The owner gives exec from a growing counter, so with exec first all inserts
-- go to the right edge of the index: a commit writes few pages.
CREATE TABLE execution (
  slot         INTEGER NOT NULL,
  exec         INTEGER NOT NULL,
  wf_hash      INTEGER NOT NULL,
  namespace_id TEXT NOT NULL,
  workflow_id  TEXT NOT NULL,
  run_id       TEXT NOT NULL,
  request_id   TEXT NOT NULL,
  status       INTEGER NOT NULL,
  next_event   INTEGER NOT NULL,
  version      INTEGER NOT NULL,
  closed_at    INTEGER, -- null while open
  state        BLOB NOT NULL,
  PRIMARY KEY (exec, slot)
) STRICT;
CREATE INDEX execution_workflow ON execution (wf_hash, exec);

CREATE TABLE history (
  slot        INTEGER NOT NULL,
  exec        INTEGER NOT NULL,
  first_event INTEGER NOT NULL,
  next_event  INTEGER NOT NULL,
  data        BLOB NOT NULL,
  PRIMARY KEY (exec, slot, first_event)
) STRICT;

CREATE TABLE shard_log (
  shard_id INTEGER NOT NULL,
  seq      INTEGER NOT NULL,
  data     BLOB NOT NULL,
  PRIMARY KEY (shard_id, seq)
) STRICT, WITHOUT ROWID;

CREATE TABLE wake (
  slot    INTEGER NOT NULL,
  exec    INTEGER NOT NULL,
  wake_at INTEGER NOT NULL,
  PRIMARY KEY (slot, exec)
) STRICT, WITHOUT ROWID;
CREATE INDEX wake_time ON wake (wake_at, slot, exec);

CREATE TABLE queue_task (
  slot         INTEGER NOT NULL,
  namespace_id TEXT NOT NULL,
  name         TEXT NOT NULL,
  type         INTEGER NOT NULL,
  partition    INTEGER NOT NULL,
  id           INTEGER NOT NULL,
  data         BLOB NOT NULL,
  PRIMARY KEY (slot, namespace_id, name, type, partition, id)
) STRICT, WITHOUT ROWID;

CREATE TABLE meta (
  kind    TEXT NOT NULL,
  key     TEXT NOT NULL,
  version INTEGER NOT NULL,
  data    BLOB NOT NULL,
  PRIMARY KEY (kind, key)
) STRICT, WITHOUT ROWID;
