-- Indexes of single attributes that operators asked for, once they are ready.
CREATE TABLE visibility_indexes (
    name      text PRIMARY KEY,
    attribute text COLLATE "C" NOT NULL,
    type      integer NOT NULL,
    use       text NOT NULL
);

-- Which index queries would have used, and how long they took.
CREATE TABLE visibility_index_wishes (
    attribute   text COLLATE "C" NOT NULL,
    type        integer NOT NULL,
    use         text NOT NULL,
    queries     bigint NOT NULL,
    nanoseconds bigint NOT NULL,
    PRIMARY KEY (attribute, type, use)
);
