-- The runs that have pending items which are told of, in the default order of lists: few, since only open runs of namespaces that ask for it.
CREATE INDEX visibility_executions_items ON visibility_executions (namespace, close_key DESC, start_ns DESC, run_id DESC)
    WHERE NOT deleted AND jsonb_exists(attributes, '0:items');
