-- Format 1.

-- By the SHA-256 of what two nights must have in common to be the same, the number of what is kept.
CREATE TABLE content_by_hash (
    hash BLOB PRIMARY KEY,
    number INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE snapshot_by_hash (
    hash BLOB PRIMARY KEY,
    number INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- What is kept once: observations, findings, texts of guides, and what else a run says, as JSON.
CREATE TABLE content (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    -- 1: deflated; 2: days are counted anew when it is read.
    form INTEGER NOT NULL,
    body BLOB NOT NULL
) STRICT;

-- What was asked and what came of it, in words.
CREATE TABLE answer (
    content INTEGER PRIMARY KEY REFERENCES content,
    question TEXT NOT NULL,
    answer TEXT NOT NULL
) STRICT;

-- An answer of one server, with the times of its first sighting there.
CREATE TABLE observation (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    content INTEGER NOT NULL REFERENCES answer,
    started_ms INTEGER NOT NULL,
    elapsed_ms INTEGER NOT NULL,
    elapsed_max_ms INTEGER NOT NULL,
    tries INTEGER NOT NULL
) STRICT;

CREATE TABLE observation_by_hash (
    hash BLOB PRIMARY KEY,
    number INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE finding (
    content INTEGER PRIMARY KEY REFERENCES content,
    text INTEGER NOT NULL REFERENCES content,
    guide TEXT NOT NULL,
    item TEXT NOT NULL,
    verdict TEXT NOT NULL,
    severity TEXT NOT NULL,
    confidence TEXT NOT NULL
) STRICT;

CREATE TABLE rule (
    content INTEGER PRIMARY KEY REFERENCES content,
    rule TEXT NOT NULL,
    verdict TEXT NOT NULL
) STRICT;

-- No number of anything is given twice, so that what a reader remembers stays right while another process prunes.
CREATE TABLE address (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    address TEXT NOT NULL UNIQUE
) STRICT;

CREATE TABLE target (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    client TEXT NOT NULL,
    name TEXT NOT NULL,
    UNIQUE (client, name)
) STRICT;

-- All that is said of a target: the same night after night, while nothing changes.
CREATE TABLE snapshot (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    definition INTEGER NOT NULL REFERENCES content,
    head INTEGER NOT NULL REFERENCES content,
    -- The run ended before the target was finished.
    unfinished INTEGER NOT NULL,
    -- Something kept it from being whole.
    troubled INTEGER NOT NULL,
    fail INTEGER NOT NULL,
    inconclusive INTEGER NOT NULL,
    needs_evidence INTEGER NOT NULL,
    needs_attestation INTEGER NOT NULL,
    pass INTEGER NOT NULL,
    not_applicable INTEGER NOT NULL,
    violated INTEGER NOT NULL
) STRICT;

CREATE TABLE snapshot_observation (
    snapshot INTEGER NOT NULL REFERENCES snapshot,
    place INTEGER NOT NULL,
    number INTEGER NOT NULL,
    address INTEGER NOT NULL REFERENCES address,
    observation INTEGER NOT NULL REFERENCES observation,
    PRIMARY KEY (snapshot, place)
) STRICT, WITHOUT ROWID;

CREATE TABLE snapshot_finding (
    snapshot INTEGER NOT NULL REFERENCES snapshot,
    place INTEGER NOT NULL,
    finding INTEGER NOT NULL REFERENCES finding,
    -- For each check how many observations it rests on, and their numbers, seven bits in a byte.
    rests_on BLOB NOT NULL,
    PRIMARY KEY (snapshot, place)
) STRICT, WITHOUT ROWID;

CREATE TABLE snapshot_rule (
    snapshot INTEGER NOT NULL REFERENCES snapshot,
    place INTEGER NOT NULL,
    rule INTEGER NOT NULL REFERENCES rule,
    rests_on BLOB NOT NULL,
    PRIMARY KEY (snapshot, place)
) STRICT, WITHOUT ROWID;

CREATE TABLE run (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    -- What tells it from every run of every store.
    uid TEXT NOT NULL UNIQUE,
    -- running, interrupted or finished. Who says running and holds no lock is interrupted.
    state TEXT NOT NULL,
    started TEXT NOT NULL,
    elapsed_ms INTEGER,
    interrupted INTEGER NOT NULL,
    partial INTEGER NOT NULL,
    tool_version TEXT NOT NULL,
    machine TEXT NOT NULL,
    process INTEGER NOT NULL,
    beginning INTEGER NOT NULL REFERENCES content,
    header INTEGER NOT NULL REFERENCES content
) STRICT;

-- What is counted of all targets of a run that is not going on any more.
CREATE TABLE run_count (
    run INTEGER PRIMARY KEY REFERENCES run,
    targets INTEGER NOT NULL,
    unfinished INTEGER NOT NULL,
    fail INTEGER NOT NULL,
    inconclusive INTEGER NOT NULL,
    needs_evidence INTEGER NOT NULL,
    needs_attestation INTEGER NOT NULL,
    pass INTEGER NOT NULL,
    not_applicable INTEGER NOT NULL,
    violated INTEGER NOT NULL
) STRICT;

-- Without an index by target: whoever looks for a target's runs reads all of this, a few dozen bytes for each run and target.
CREATE TABLE run_target (
    run INTEGER NOT NULL REFERENCES run,
    place INTEGER NOT NULL,
    target INTEGER NOT NULL REFERENCES target,
    snapshot INTEGER NOT NULL REFERENCES snapshot,
    PRIMARY KEY (run, place)
) STRICT, WITHOUT ROWID;

-- What was learned of targets that are not finished, as JSON.
CREATE TABLE journal (
    id INTEGER PRIMARY KEY,
    run INTEGER NOT NULL REFERENCES run,
    place INTEGER NOT NULL,
    observation BLOB NOT NULL
) STRICT;

CREATE INDEX journal_by_target ON journal (run, place);
-- For queries by hand: `SELECT * FROM findings WHERE run = 12 AND verdict = 'fail'`.
CREATE VIEW findings AS
SELECT run.id AS run, run.started, target.client, target.name AS target,
       finding.guide, finding.item, finding.verdict, finding.severity, finding.confidence
FROM run
JOIN run_target ON run_target.run = run.id
JOIN target ON target.id = run_target.target
JOIN snapshot_finding ON snapshot_finding.snapshot = run_target.snapshot
JOIN finding ON finding.content = snapshot_finding.finding;

CREATE VIEW rules AS
SELECT run.id AS run, run.started, target.client, target.name AS target, rule.rule, rule.verdict
FROM run
JOIN run_target ON run_target.run = run.id
JOIN target ON target.id = run_target.target
JOIN snapshot_rule ON snapshot_rule.snapshot = run_target.snapshot
JOIN rule ON rule.content = snapshot_rule.rule;

CREATE VIEW observations AS
SELECT run.id AS run, run.started, target.client, target.name AS target,
       address.address, answer.question, answer.answer
FROM run
JOIN run_target ON run_target.run = run.id
JOIN target ON target.id = run_target.target
JOIN snapshot_observation ON snapshot_observation.snapshot = run_target.snapshot
JOIN address ON address.id = snapshot_observation.address
JOIN observation ON observation.id = snapshot_observation.observation
JOIN answer ON answer.content = observation.content;
