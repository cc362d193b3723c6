-- What a running node remembers beside its peers. Tables and a column are added, no row of version 1 is rewritten.

-- How many peers there are: counting them takes a scan of table peer. Written in the transaction that changes the number.
CREATE TABLE tally (
    singleton INTEGER PRIMARY KEY CHECK (singleton = 1),
    peers     INTEGER NOT NULL
) STRICT;
INSERT INTO tally (singleton, peers) SELECT 1, count(*) FROM peer;

-- Failures that are not counted yet: our own uplink may be at fault. At most 4,096.
CREATE TABLE held (
    key           BLOB PRIMARY KEY REFERENCES peer ON DELETE CASCADE,
    network_group BLOB,
    class         INTEGER NOT NULL,
    at            INTEGER NOT NULL,
    witnessed     INTEGER NOT NULL CHECK (witnessed IN (0, 1)),
    count         INTEGER NOT NULL CHECK (count > 0),
    redialled_at  INTEGER
) STRICT, WITHOUT ROWID;

-- The latest answers from two network groups: they show that the uplink works, since when without a silence, and how far
-- apart answers came of late.
CREATE TABLE witness (
    slot          INTEGER PRIMARY KEY CHECK (slot IN (0, 1)),
    network_group BLOB,
    at            INTEGER NOT NULL,
    since         INTEGER NOT NULL,
    spacing_us    INTEGER NOT NULL
) STRICT;

-- When a canary was last asked.
CREATE TABLE canary (
    singleton INTEGER PRIMARY KEY CHECK (singleton = 1),
    at        INTEGER NOT NULL
) STRICT;

-- When nodes were running: the time that ages are counted in. At most 1,024.
CREATE TABLE session (
    started_at INTEGER PRIMARY KEY,
    ended_at   INTEGER NOT NULL CHECK (ended_at >= started_at)
) STRICT;

-- The latest 1,024 lookups, without their targets: what somebody looked for is nobody's business.
CREATE TABLE lookup_summary (
    number        INTEGER PRIMARY KEY,
    identity      INTEGER REFERENCES identity ON DELETE SET NULL,
    finished_at   INTEGER NOT NULL,
    reason        INTEGER NOT NULL,
    milliseconds  INTEGER NOT NULL,
    queries       INTEGER NOT NULL,
    answers       INTEGER NOT NULL,
    failures      INTEGER NOT NULL,
    timeouts      INTEGER NOT NULL,
    skipped       INTEGER NOT NULL,
    slow          INTEGER NOT NULL,
    refills       INTEGER NOT NULL,
    hops          INTEGER NOT NULL,
    offered       INTEGER NOT NULL,
    entered       INTEGER NOT NULL,
    distances     INTEGER NOT NULL,
    peak_frontier INTEGER NOT NULL
) STRICT;

-- All lookups there ever were, by the reason that they ended for.
CREATE TABLE lookup_total (
    reason       INTEGER PRIMARY KEY,
    lookups      INTEGER NOT NULL,
    milliseconds INTEGER NOT NULL,
    queries      INTEGER NOT NULL,
    answers      INTEGER NOT NULL,
    failures     INTEGER NOT NULL,
    timeouts     INTEGER NOT NULL,
    skipped      INTEGER NOT NULL
) STRICT;

-- What the dropped peer failed with last: misbehaviour must not come back as a mere timeout. 1 is the timeout.
ALTER TABLE tombstone ADD COLUMN class INTEGER NOT NULL DEFAULT 1;
