-- One file holds one network. STRICT: a value of the wrong type is an error, not a surprise.
-- Instants are Unix milliseconds, round-trip times microseconds. Keys are big-endian, as wide as the network's keys.

CREATE TABLE network (
    singleton  INTEGER PRIMARY KEY CHECK (singleton = 1),
    name       TEXT NOT NULL,
    scope      TEXT NOT NULL CHECK (scope IN ('public', 'private')),
    derivation TEXT NOT NULL CHECK (derivation IN ('sha256', 'identity')),
    key_bits   INTEGER NOT NULL CHECK (key_bits IN (128, 160, 256)),
    id_text    TEXT NOT NULL CHECK (id_text IN ('libp2p', 'hex')),
    created_at INTEGER NOT NULL,
    peer_cap   INTEGER NOT NULL CHECK (peer_cap > 0),
    salt       BLOB NOT NULL CHECK (length(salt) = 32)
) STRICT;

CREATE TABLE migration (
    version    INTEGER PRIMARY KEY,
    name       TEXT NOT NULL,
    sha256     TEXT NOT NULL,
    applied_at INTEGER NOT NULL
) STRICT;

CREATE TABLE clock (
    singleton  INTEGER PRIMARY KEY CHECK (singleton = 1),
    high_water INTEGER NOT NULL,
    online_ms  INTEGER NOT NULL DEFAULT 0,
    boot_id    TEXT,
    boot_at    INTEGER
) STRICT;

-- How far each writing process has come: what makes queued writes visible exactly once.
CREATE TABLE writer (
    token      INTEGER PRIMARY KEY,
    sequence   INTEGER NOT NULL,
    updated_at INTEGER NOT NULL
) STRICT;

-- Strings that thousands of peers share are stored once.
CREATE TABLE agent (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE) STRICT;
CREATE TABLE protocol_set (id INTEGER PRIMARY KEY, names TEXT NOT NULL UNIQUE) STRICT;
CREATE TABLE source (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE) STRICT;

-- The hot table: the key is the order of the file, so a nearest-k is two range scans.
-- Columns that a nearest-k reads come first. agent, protocols and source are rows of the tables above; no foreign keys,
-- because each would cost a search for every row that is written: a check looks instead.
CREATE TABLE peer (
    key        BLOB PRIMARY KEY,
    id         BLOB NOT NULL,
    addresses  BLOB NOT NULL,
    first_seen INTEGER NOT NULL,
    last_seen  INTEGER NOT NULL,
    last_ok    INTEGER,
    not_before INTEGER,
    wait_ms    INTEGER,
    rtt_us     INTEGER,
    rtt_var_us INTEGER,
    successes  INTEGER NOT NULL DEFAULT 0,
    days_seen  INTEGER NOT NULL DEFAULT 1,
    agent      INTEGER,
    protocols  INTEGER,
    source     INTEGER
) STRICT, WITHOUT ROWID;

-- Failures by peer, address and class. An empty address means the peer as a whole.
CREATE TABLE failure (
    key      BLOB NOT NULL REFERENCES peer ON DELETE CASCADE,
    address  BLOB NOT NULL,
    class    INTEGER NOT NULL,
    count    INTEGER NOT NULL CHECK (count > 0),
    first_at INTEGER NOT NULL,
    last_at  INTEGER NOT NULL,
    PRIMARY KEY (key, address, class)
) STRICT, WITHOUT ROWID;

-- Backoff and circuit breaker, only of peers that have failed. The deadline itself is peer.not_before.
CREATE TABLE backoff (
    key           BLOB PRIMARY KEY REFERENCES peer ON DELETE CASCADE,
    streak_milli  INTEGER NOT NULL,
    streak_at     INTEGER NOT NULL,
    class         INTEGER NOT NULL,
    outcomes      INTEGER NOT NULL,
    outcome_count INTEGER NOT NULL,
    breaker       INTEGER NOT NULL CHECK (breaker IN (0, 1, 2)),
    openings      INTEGER NOT NULL,
    opened_at     INTEGER,
    trials        INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Addresses that came without a peer id: whom to ask, not whom to list.
CREATE TABLE candidate (
    address    BLOB PRIMARY KEY,
    first_seen INTEGER NOT NULL,
    last_seen  INTEGER NOT NULL,
    last_tried INTEGER,
    tries      INTEGER NOT NULL DEFAULT 0,
    source     INTEGER
) STRICT, WITHOUT ROWID;

-- What is left of a dropped peer, so that gossip does not bring it back with a clean slate.
CREATE TABLE tombstone (
    key          BLOB PRIMARY KEY,
    dropped_at   INTEGER NOT NULL,
    streak_milli INTEGER NOT NULL,
    not_before   INTEGER,
    wait_ms      INTEGER
) STRICT, WITHOUT ROWID;
CREATE INDEX tombstone_by_age ON tombstone (dropped_at);

-- Local identities, each with k-buckets of its own.
CREATE TABLE identity (
    number     INTEGER PRIMARY KEY,
    id         BLOB NOT NULL UNIQUE,
    key        BLOB NOT NULL,
    label      TEXT NOT NULL,
    created_at INTEGER NOT NULL
) STRICT;

CREATE TABLE bucket (
    identity     INTEGER NOT NULL REFERENCES identity ON DELETE CASCADE,
    prefix       INTEGER NOT NULL CHECK (prefix BETWEEN 0 AND 255),
    refreshed_at INTEGER,
    PRIMARY KEY (identity, prefix)
) STRICT, WITHOUT ROWID;

-- The live contacts and replacement caches, in order: what a node reads at start, and nothing else.
CREATE TABLE member (
    identity      INTEGER NOT NULL,
    prefix        INTEGER NOT NULL,
    role          INTEGER NOT NULL CHECK (role IN (0, 1)),
    position      INTEGER NOT NULL,
    key           BLOB NOT NULL REFERENCES peer ON DELETE CASCADE,
    network_group BLOB,
    first_seen    INTEGER NOT NULL,
    last_seen     INTEGER NOT NULL,
    last_ok       INTEGER,
    verified      INTEGER NOT NULL CHECK (verified IN (0, 1)),
    failures      INTEGER NOT NULL,
    PRIMARY KEY (identity, prefix, role, position),
    FOREIGN KEY (identity, prefix) REFERENCES bucket ON DELETE CASCADE
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX member_by_key ON member (key, identity);
