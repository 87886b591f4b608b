-- The runs that have pending items which are told of, in the default order of lists.
CREATE INDEX visibility_executions_items ON visibility_executions (namespace, close_key DESC, start_ns DESC, run_id DESC)
    WHERE NOT deleted AND json_type(attributes, '$."0:items"') IS NOT NULL;
