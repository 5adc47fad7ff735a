-- Format 3: alerts.

-- How many occurrences did not happen because the run before still went on, as of the last run.
ALTER TABLE job ADD COLUMN skipped INTEGER NOT NULL DEFAULT 0;

-- What is open, as JSON, by what tells one from another.
CREATE TABLE matter (
    key TEXT PRIMARY KEY,
    body TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- What is remembered of servers between two looks at their runs, as JSON.
CREATE TABLE known_server (
    client TEXT NOT NULL,
    name TEXT NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (client, name)
) STRICT, WITHOUT ROWID;

-- How often what is open was looked at; one row from the first time on.
CREATE TABLE looked (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    times INTEGER NOT NULL
) STRICT;

-- Messages that wait until their channel has them, in the order in which they were made.
CREATE TABLE outbox (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    -- The alerts.toml that has the channel, and the channel's name in it: several inventories may share a store.
    place TEXT NOT NULL,
    channel TEXT NOT NULL,
    client TEXT NOT NULL,
    -- RFC 3339, UTC.
    made TEXT NOT NULL,
    notices INTEGER NOT NULL,
    -- The message as JSON.
    body TEXT NOT NULL,
    attempts INTEGER NOT NULL DEFAULT 0,
    -- When it was tried last, and when it is next; milliseconds since 1970.
    tried INTEGER,
    due INTEGER NOT NULL,
    -- What the last try met.
    error TEXT,
    -- Whom of several a try reached, as a JSON list.
    reached TEXT NOT NULL DEFAULT '[]',
    -- The receiver refused this very message: others need not wait for it.
    refused INTEGER NOT NULL DEFAULT 0,
    -- Who is at it, as long as that process lives.
    claimed TEXT
) STRICT;

CREATE INDEX outbox_by_channel ON outbox (place, channel, number);
