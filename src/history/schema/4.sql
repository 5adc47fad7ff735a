-- Format 4: what two runs that say the same of a target come to, so that such targets need not be compared again.

CREATE TABLE still (
    snapshot INTEGER NOT NULL REFERENCES snapshot,
    -- What is known of the way out, as JSON: what was seen of ports reads otherwise through another network.
    ways INTEGER NOT NULL REFERENCES content,
    content INTEGER NOT NULL REFERENCES content,
    PRIMARY KEY (snapshot, ways)
) STRICT, WITHOUT ROWID;
