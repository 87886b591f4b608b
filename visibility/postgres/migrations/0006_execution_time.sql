-- The planner cannot know how few runs have another execution time than start time, and chose to walk through all.
DROP INDEX visibility_executions_execution;
CREATE INDEX visibility_executions_execution ON visibility_executions (namespace, execution_ns DESC, run_id DESC) WHERE NOT deleted;
