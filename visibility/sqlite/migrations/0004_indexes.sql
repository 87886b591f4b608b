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
