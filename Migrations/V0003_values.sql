-- What a node keeps for the network, what was published here, and how far a crawl has come. Tables are added, no row of
-- version 2 is rewritten.

-- Values of others, until they expire; and those published here, until they are withdrawn. With a rowid: a value may fill
-- hundreds of pages, and a search for a key must not pass them.
CREATE TABLE value (
    number      INTEGER PRIMARY KEY,
    key         BLOB NOT NULL UNIQUE,
    received_at INTEGER NOT NULL,
    expires_at  INTEGER NOT NULL,
    is_own      INTEGER NOT NULL CHECK (is_own IN (0, 1)),
    bytes       BLOB NOT NULL
) STRICT;
CREATE INDEX value_by_expiry ON value (expires_at, key) WHERE is_own = 0;
CREATE INDEX value_own ON value (key) WHERE is_own = 1;

-- Who said to provide a key; and what this node itself provides, until it is withdrawn. `peer` is the provider's key as in
-- table peer, whether or not there is a row of it.
CREATE TABLE provider (
    key         BLOB NOT NULL,
    peer        BLOB NOT NULL,
    id          BLOB NOT NULL,
    addresses   BLOB NOT NULL,
    received_at INTEGER NOT NULL,
    expires_at  INTEGER NOT NULL,
    is_own      INTEGER NOT NULL CHECK (is_own IN (0, 1)),
    PRIMARY KEY (key, peer)
) STRICT, WITHOUT ROWID;
CREATE INDEX provider_by_expiry ON provider (expires_at) WHERE is_own = 0;
CREATE INDEX provider_own ON provider (key, peer) WHERE is_own = 1;

-- How much of both there is, others' and our own: counting takes a scan. Written in the transaction that changes it.
-- kind: 1 values, 2 providers. bytes: of keys, ids, addresses and values.
CREATE TABLE holding (
    kind   INTEGER NOT NULL CHECK (kind IN (1, 2)),
    is_own INTEGER NOT NULL CHECK (is_own IN (0, 1)),
    count  INTEGER NOT NULL,
    bytes  INTEGER NOT NULL,
    PRIMARY KEY (kind, is_own)
) STRICT, WITHOUT ROWID;
INSERT INTO holding (kind, is_own, count, bytes) VALUES (1, 0, 0, 0), (1, 1, 0, 0), (2, 0, 0, 0), (2, 1, 0, 0);

-- Walks over a whole network: at most one has not ended. The latest 256.
CREATE TABLE crawl (
    number      INTEGER PRIMARY KEY,
    started_at  INTEGER NOT NULL,
    ended_at    INTEGER,
    is_complete INTEGER NOT NULL CHECK (is_complete IN (0, 1))
) STRICT;

-- How many peers each crawl found in which state: 0 answered, 1 to 254 failed with that class, 255 left out.
CREATE TABLE crawl_total (
    crawl   INTEGER NOT NULL REFERENCES crawl ON DELETE CASCADE,
    outcome INTEGER NOT NULL,
    peers   INTEGER NOT NULL,
    PRIMARY KEY (crawl, outcome)
) STRICT, WITHOUT ROWID;

-- The peers that the crawl that has not ended is done with: what it goes on from after it was killed.
CREATE TABLE visit (
    key     BLOB PRIMARY KEY,
    outcome INTEGER NOT NULL,
    at      INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
