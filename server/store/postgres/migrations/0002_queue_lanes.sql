-- A task queue's backlog is divided into lanes. What is there goes to lane 0.
ALTER TABLE queue_task ADD lane bigint NOT NULL DEFAULT 0;
ALTER TABLE queue_task ALTER lane DROP DEFAULT;
ALTER TABLE queue_task DROP CONSTRAINT queue_task_pkey;
ALTER TABLE queue_task ADD PRIMARY KEY (slot, namespace_id, name, type, partition, lane, id);
