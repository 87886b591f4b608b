-- Texts are exact: see text.go for the few bytes that PostgreSQL's text cannot
-- hold. Ids are text rather than uuid, since nothing here depends on their form.

-- The lease and the fence. Commits hold FOR SHARE on these rows, a take-over
-- updates them.
CREATE TABLE shard (
  shard_id   int PRIMARY KEY,
  first_slot int NOT NULL,
  last_slot  int NOT NULL,
  epoch      bigint NOT NULL,
  owner      text NOT NULL
) WITH (fillfactor = 50);

-- Apart from shard: whoever updates it must not wait for commits in flight.
CREATE TABLE shard_progress (
  shard_id   int PRIMARY KEY,
  renewed_at timestamptz,
  cursors    bytea NOT NULL,
  trimmed    bigint NOT NULL -- highest sequence number ever trimmed from the log
) WITH (fillfactor = 50);

-- Every run, open or closed, until its retention is over. The owner gives exec
-- from a growing counter, so with exec first all inserts go to the right edge of the index.
CREATE TABLE execution (
  slot         int NOT NULL,
  exec         bigint NOT NULL,
  wf_hash      bigint NOT NULL,
  namespace_id text COLLATE "C" NOT NULL,
  workflow_id  text COLLATE "C" NOT NULL,
  run_id       text COLLATE "C" NOT NULL,
  request_id   text COLLATE "C" NOT NULL,
  status       smallint NOT NULL,
  next_event   bigint NOT NULL,
  version      bigint NOT NULL,
  closed_at    timestamptz, -- null while open
  state        bytea NOT NULL,
  PRIMARY KEY (exec, slot)
) WITH (fillfactor = 80, toast_tuple_target = 8160); -- no indexed column changes, so updates stay HOT
ALTER TABLE execution ALTER state SET STORAGE EXTERNAL; -- compressed by us or not at all
CREATE INDEX execution_workflow ON execution (wf_hash, exec);

-- One row a transition's events: appended, never updated.
CREATE TABLE history (
  slot        int NOT NULL,
  exec        bigint NOT NULL,
  first_event bigint NOT NULL,
  next_event  bigint NOT NULL,
  data        bytea NOT NULL,
  PRIMARY KEY (exec, slot, first_event)
) WITH (toast_tuple_target = 8160);
ALTER TABLE history ALTER data SET STORAGE EXTERNAL;

-- One row a shard and group: all its tasks in order, deleted behind the slowest cursor.
CREATE TABLE shard_log (
  shard_id int NOT NULL,
  seq      bigint NOT NULL,
  data     bytea NOT NULL,
  PRIMARY KEY (shard_id, seq)
) WITH (toast_tuple_target = 8160, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 20000);
ALTER TABLE shard_log ALTER data SET STORAGE EXTERNAL;

-- Wake-ups still ahead when their log row is trimmed.
CREATE TABLE wake (
  slot    int NOT NULL,
  exec    bigint NOT NULL,
  wake_at timestamptz NOT NULL,
  PRIMARY KEY (slot, exec)
);
CREATE INDEX wake_time ON wake (wake_at, slot, exec);

CREATE TABLE queue_task (
  slot         int NOT NULL,
  namespace_id text COLLATE "C" NOT NULL,
  name         text COLLATE "C" NOT NULL,
  type         smallint NOT NULL,
  partition    int NOT NULL,
  id           bigint NOT NULL,
  data         bytea NOT NULL,
  PRIMARY KEY (slot, namespace_id, name, type, partition, id)
) WITH (toast_tuple_target = 8160, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 20000);
ALTER TABLE queue_task ALTER data SET STORAGE EXTERNAL;

CREATE TABLE meta (
  kind    text COLLATE "C" NOT NULL,
  key     text COLLATE "C" NOT NULL,
  version bigint NOT NULL,
  data    bytea NOT NULL,
  PRIMARY KEY (kind, key)
);

-- Aborts the transaction when something a statement relies on is not so. A
-- statement in a pipeline cannot look at a row count otherwise.
CREATE FUNCTION store_require(holds boolean, code text, what text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  IF holds IS NOT TRUE THEN
    RAISE EXCEPTION USING ERRCODE = code, MESSAGE = what;
  END IF;
END
$$;
