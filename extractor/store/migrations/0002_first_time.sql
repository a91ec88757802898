-- When an organization first did what counts: messages are kept for weeks, a funnel is about months. The
-- organization is a keyed hash, the milestone a word of a rule pack; no property and no message stands here.
CREATE TABLE first_time (
    organization BLOB NOT NULL,
    milestone TEXT NOT NULL,
    time REAL NOT NULL,
    time_source TEXT NOT NULL,
    PRIMARY KEY (organization, milestone)
) STRICT, WITHOUT ROWID;
