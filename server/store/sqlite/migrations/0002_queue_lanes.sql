-- A task queue's backlog is divided into lanes. What is there goes to lane 0.
CREATE TABLE queue_task_lanes (
  slot         INTEGER NOT NULL,
  namespace_id TEXT NOT NULL,
  name         TEXT NOT NULL,
  type         INTEGER NOT NULL,
  partition    INTEGER NOT NULL,
  lane         INTEGER NOT NULL,
  id           INTEGER NOT NULL,
  data         BLOB NOT NULL,
  PRIMARY KEY (slot, namespace_id, name, type, partition, lane, id)
) STRICT, WITHOUT ROWID;
INSERT INTO queue_task_lanes SELECT slot, namespace_id, name, type, partition, 0, id, data FROM queue_task;
DROP TABLE queue_task;
ALTER TABLE queue_task_lanes RENAME TO queue_task;
