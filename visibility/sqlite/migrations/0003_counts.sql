-- How many runs there are by division and status. Triggers keep it, so that it is right whoever writes.
CREATE TABLE visibility_counts (
    namespace INTEGER NOT NULL,
    status    INTEGER NOT NULL,
    division  TEXT,
    runs      INTEGER NOT NULL
);

CREATE UNIQUE INDEX visibility_counts_key ON visibility_counts (namespace, status, division IS NULL, COALESCE(division, ''));

INSERT INTO visibility_counts (namespace, status, division, runs)
SELECT namespace, status, division, count(*) FROM visibility_executions WHERE NOT deleted GROUP BY namespace, status, division;

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
