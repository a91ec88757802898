-- Everything that must survive a restart. Message ids are 24 bytes, times unix seconds, paths the bytes
-- that the file system gave (a name need not be UTF-8). A seal is a CRC-32 over a row: SQLite keeps no
-- checksums of its own, and a flipped bit must never move a checkpoint or alter a message unnoticed.
-- What is private is a BLOB, since SQLite quotes texts in its complaints.
-- Never edit a migration that was released, not even a space: a schema that differs is taken for damage.

-- One row: what holds for the store as a whole. The counts are kept so that rows that vanished by damage
-- are noticed, and so that asking whether the outbox is full costs one row.
CREATE TABLE state (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    outbox_rows INTEGER NOT NULL DEFAULT 0,
    outbox_bytes INTEGER NOT NULL DEFAULT 0,
    dead_rows INTEGER NOT NULL DEFAULT 0,
    suppressed_rows INTEGER NOT NULL DEFAULT 0,
    delivered INTEGER NOT NULL DEFAULT 0,
    transactions INTEGER NOT NULL DEFAULT 0,
    unknown_files TEXT NOT NULL DEFAULT 'as_configured',
    destination INTEGER NOT NULL DEFAULT 0,
    retry_at REAL,
    hold_since REAL,
    hold_reason TEXT,
    hold_status INTEGER,
    opt_out_since REAL,
    opt_out_by TEXT,
    erasure_due INTEGER NOT NULL DEFAULT 0,
    ledger_pruned_day INTEGER NOT NULL DEFAULT 0
) STRICT;
INSERT INTO state (one) VALUES (1);

CREATE TABLE destination (
    number INTEGER PRIMARY KEY CHECK (number > 0),
    name TEXT NOT NULL UNIQUE
) STRICT;

CREATE TABLE checkpoint (
    file_id TEXT PRIMARY KEY,
    path BLOB NOT NULL,
    device INTEGER NOT NULL,
    inode INTEGER NOT NULL,
    offset INTEGER NOT NULL,
    size INTEGER NOT NULL,
    identity BLOB NOT NULL,
    lost_bytes INTEGER NOT NULL,
    gone_since REAL,
    seal INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- What rules know from earlier lines, under keyed hashes. `primed` rows were told by an operator and
-- stand for no event of ours. The seal leaves the value out, so that values can be erased in place.
CREATE TABLE memory (
    key BLOB PRIMARY KEY,
    standing INTEGER NOT NULL,
    digest BLOB NOT NULL,
    reset BLOB NOT NULL,
    value BLOB,
    primed INTEGER NOT NULL DEFAULT 0,
    seal INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Every stored event, written once and never moved: `outbox`, `sent` and `dead_letter` point here.
-- AUTOINCREMENT: a sequence is never used again, so that a late acknowledgement cannot hit another event.
CREATE TABLE event (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT,
    message_id BLOB NOT NULL,
    name TEXT NOT NULL,
    rule TEXT NOT NULL,
    message BLOB NOT NULL,
    time REAL NOT NULL,
    time_source TEXT NOT NULL,
    path BLOB NOT NULL,
    offset INTEGER NOT NULL,
    recorded_at REAL NOT NULL,
    seal INTEGER NOT NULL
) STRICT;

CREATE TABLE outbox (
    sequence INTEGER PRIMARY KEY,
    message_id BLOB NOT NULL UNIQUE,
    bytes INTEGER NOT NULL
) STRICT;

CREATE TABLE dead_letter (
    sequence INTEGER PRIMARY KEY,
    message_id BLOB NOT NULL UNIQUE,
    reason TEXT NOT NULL,
    status INTEGER,
    at REAL NOT NULL
) STRICT;

-- One row for each time that an event was acknowledged.
CREATE TABLE sent (
    at REAL NOT NULL,
    sequence INTEGER NOT NULL,
    destination INTEGER NOT NULL,
    PRIMARY KEY (at, sequence)
) STRICT, WITHOUT ROWID;
CREATE INDEX sent_by_sequence ON sent (sequence);

-- Ids never to be sent again. Destination 0: suppressed by an opt-out, for every destination, for ever.
CREATE TABLE ledger (
    message_id BLOB NOT NULL,
    destination INTEGER NOT NULL,
    at INTEGER NOT NULL,
    PRIMARY KEY (message_id, destination)
) STRICT, WITHOUT ROWID;

CREATE TABLE rule_seen (
    rule TEXT PRIMARY KEY,
    last_at REAL NOT NULL
) STRICT, WITHOUT ROWID;

-- Day: days since 1970-01-01 UTC.
CREATE TABLE counter (
    name TEXT NOT NULL,
    rule TEXT NOT NULL,
    label TEXT NOT NULL,
    day INTEGER NOT NULL,
    count INTEGER NOT NULL,
    PRIMARY KEY (name, rule, label, day)
) STRICT, WITHOUT ROWID;

CREATE TABLE incident (
    number INTEGER PRIMARY KEY,
    at REAL NOT NULL,
    kind TEXT NOT NULL,
    path BLOB NOT NULL,
    lost_bytes INTEGER NOT NULL,
    detail TEXT NOT NULL
) STRICT;
