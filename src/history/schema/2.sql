-- Format 2: jobs of a schedule.

CREATE TABLE job (
    id TEXT PRIMARY KEY,
    -- The last occurrence that is settled, by its nominal time; RFC 3339, UTC.
    settled TEXT NOT NULL,
    -- The last run, where there was one.
    began TEXT,
    ended TEXT,
    -- The exit code of its scan; none where it did not say one.
    exit INTEGER
) STRICT, WITHOUT ROWID;
