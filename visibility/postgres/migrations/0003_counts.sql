-- How many runs there are by division and status, each number in parts: a writer changes the part of its own connection, so that
-- writers do not wait for one another. Triggers keep it, so that it is right whoever writes.
CREATE TABLE visibility_counts (
    namespace integer NOT NULL,
    part      integer NOT NULL,
    status    integer NOT NULL,
    division  text COLLATE "C",
    runs      bigint NOT NULL
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000);

CREATE UNIQUE INDEX visibility_counts_key ON visibility_counts (namespace, status, part, (division IS NULL), (COALESCE(division, '')));

INSERT INTO visibility_counts (namespace, part, status, division, runs)
SELECT namespace, 0, status, division, count(*) FROM visibility_executions WHERE NOT deleted GROUP BY namespace, status, division;

CREATE FUNCTION visibility_count_inserted() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO visibility_counts AS c (namespace, part, status, division, runs)
    SELECT namespace, pg_backend_pid() & 15, status, division, count(*) FROM added WHERE NOT deleted
    GROUP BY namespace, status, division ORDER BY namespace, status, division
    ON CONFLICT (namespace, status, part, (division IS NULL), (COALESCE(division, ''))) DO UPDATE SET runs = c.runs + excluded.runs;
    RETURN NULL;
END $$;

CREATE FUNCTION visibility_count_updated() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO visibility_counts AS c (namespace, part, status, division, runs)
    SELECT namespace, pg_backend_pid() & 15, status, division, sum(change) FROM (
        SELECT namespace, status, division, 1 AS change FROM added WHERE NOT deleted
        UNION ALL SELECT namespace, status, division, -1 FROM removed WHERE NOT deleted
    ) AS changes
    GROUP BY namespace, status, division HAVING sum(change) <> 0 ORDER BY namespace, status, division
    ON CONFLICT (namespace, status, part, (division IS NULL), (COALESCE(division, ''))) DO UPDATE SET runs = c.runs + excluded.runs;
    RETURN NULL;
END $$;

CREATE FUNCTION visibility_count_deleted() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO visibility_counts AS c (namespace, part, status, division, runs)
    SELECT namespace, pg_backend_pid() & 15, status, division, -count(*) FROM removed WHERE NOT deleted
    GROUP BY namespace, status, division ORDER BY namespace, status, division
    ON CONFLICT (namespace, status, part, (division IS NULL), (COALESCE(division, ''))) DO UPDATE SET runs = c.runs + excluded.runs;
    RETURN NULL;
END $$;

CREATE TRIGGER visibility_count_inserted AFTER INSERT ON visibility_executions REFERENCING NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION visibility_count_inserted();
CREATE TRIGGER visibility_count_updated AFTER UPDATE ON visibility_executions REFERENCING OLD TABLE AS removed NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION visibility_count_updated();
CREATE TRIGGER visibility_count_deleted AFTER DELETE ON visibility_executions REFERENCING OLD TABLE AS removed
    FOR EACH STATEMENT EXECUTE FUNCTION visibility_count_deleted();
