-- What lines look like, counted, for alarms about an app that changed: names of rules, fields and kinds of lines,
-- and numbers. A sample, and no private thing: nothing else in the state depends on it.
CREATE TABLE seen (
    rule TEXT NOT NULL,
    kind TEXT NOT NULL,
    field TEXT NOT NULL,
    sort TEXT NOT NULL,
    strict INTEGER NOT NULL,
    lines INTEGER NOT NULL,
    run INTEGER NOT NULL,
    longest INTEGER NOT NULL,
    since REAL NOT NULL,
    last_at REAL NOT NULL,
    PRIMARY KEY (rule, kind, field, sort)
) STRICT, WITHOUT ROWID;
