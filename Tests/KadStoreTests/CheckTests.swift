import Kademlia
import Multiformats
import Testing

@testable import KadStore

@Suite("A check")
struct CheckTests {
    @Test(
        "finds what SQLite cannot see",
        arguments: [
            "UPDATE peer SET key = CAST(x'00' || substr(key, 2) AS BLOB)",
            "UPDATE peer SET addresses = x'ff01'", "DROP TABLE candidate", "DROP INDEX tombstone_by_age",
            "UPDATE backoff SET class = 99", "UPDATE failure SET address = x'ff'",
            "UPDATE peer SET key = x'00'",
            "UPDATE peer SET id = x''", "UPDATE peer SET first_seen = last_seen + 1",
            "UPDATE peer SET not_before = 5", "UPDATE peer SET rtt_us = -1, rtt_var_us = 1",
            "UPDATE peer SET agent = 77", "UPDATE peer SET successes = -1",
            "INSERT INTO failure VALUES (x'aa', x'', 1, 1, 1, 1, NULL)",
            "UPDATE failure SET class = 99", "UPDATE member SET prefix = prefix + 1 WHERE role = 0",
            "UPDATE tally SET peers = peers + 1", "DELETE FROM tally", "DROP TABLE witness",
            "UPDATE held SET class = 0", "UPDATE held SET network_group = x'01'",
            "INSERT INTO held VALUES (x'aa', NULL, 1, 1, 0, 1, NULL, NULL)",
            "UPDATE witness SET network_group = x'0102'",
            "INSERT INTO session VALUES (1500, 1600, NULL), (1550, 1700, NULL)",
            "UPDATE lookup_summary SET reason = 99", "UPDATE lookup_total SET queries = -1",
            "UPDATE lookup_total SET reason = 0", "UPDATE lookup_summary SET hops = -1",
            """
            WITH RECURSIVE row (number) AS (SELECT 1 UNION ALL SELECT number + 1 FROM row WHERE number < 1100)
            INSERT INTO session SELECT number * 1000000, number * 1000000 + 5, NULL FROM row
            """,
            "UPDATE identity SET key = CAST(x'ff' || substr(key, 2) AS BLOB)", "UPDATE identity SET id = x''",
            "UPDATE candidate SET address = x'ff'", "UPDATE candidate SET source = 77",
            "UPDATE candidate SET tries = -1", "UPDATE tombstone SET class = 99",
            "UPDATE tombstone SET wait_ms = -1", "UPDATE tombstone SET not_before = 5, wait_ms = NULL",
            "UPDATE tombstone SET key = x'aa'", "UPDATE member SET network_group = x'01'",
            "UPDATE member SET key = x'aa'", "UPDATE backoff SET outcomes = -1", "UPDATE clock SET online_ms = -1",
            "UPDATE writer SET sequence = -1", "UPDATE peer SET protocols = 77", "UPDATE peer SET source = 77",
            "UPDATE failure SET first_at = last_at + 1",
            "PRAGMA ignore_check_constraints = ON; UPDATE held SET count = 0",
            "UPDATE value SET key = x''", "UPDATE value SET bytes = zeroblob(2000000)", "DELETE FROM value",
            "UPDATE provider SET peer = x'aa'", "UPDATE provider SET id = x''", "UPDATE provider SET id = x'aa'",
            "UPDATE provider SET addresses = x'ff01'", "UPDATE provider SET key = zeroblob(129)",
            "UPDATE value SET is_own = 1", "UPDATE holding SET count = count + 1", "UPDATE holding SET bytes = 0",
            "UPDATE holding SET count = -1", "DELETE FROM holding", "DROP INDEX value_by_expiry",
            "UPDATE crawl SET ended_at = 5", "UPDATE crawl SET is_complete = 1", "DELETE FROM crawl",
            "INSERT INTO crawl (started_at, is_complete) VALUES (1, 0)", "UPDATE crawl_total SET peers = peers + 1",
            "UPDATE crawl_total SET outcome = 77", "UPDATE visit SET outcome = 77", "UPDATE visit SET key = x'aa'",
            "DELETE FROM visit", "DELETE FROM crawl_total",
            """
            WITH RECURSIVE row (number) AS (SELECT 1 UNION ALL SELECT number + 1 FROM row WHERE number < 300)
            INSERT INTO crawl (started_at, ended_at, is_complete) SELECT number, number, 1 FROM row
            """,
        ])
    func damage(sql: String) async throws {
        let scratch = Scratch()
        try await scratch.withStore { store in
            let key = Key(.max, 1, 2, 3)
            let peer = try store.peer(at: key)
            try store.hear(key)
            try store.record(.failed(peer, address: .test(3), .refused, at: .seconds(1)))
            let state = BackoffState(streakMilli: 1, streakAt: .seconds(1), lastClass: .refused)
            try store.record(.backoff(peer, state))
            let identity = try await store.identity(try store.peer(at: Key(1, 0, 0, 0)).id)
            let buckets = [0, 1].map { index in
                let live = index == 0 ? [Contact.test(key)] : []
                return BucketSnapshot(index: index, refreshedAt: nil, live: live, replacements: [])
            }
            for bucket in buckets { try store.record(.bucket(bucket, identity: identity.number)) }
            try store.record(.held(.test(key)))
            try store.record(.witnesses([.init(group: .ipv4(7), at: .seconds(1))], canaryAt: .seconds(2)))
            try store.record(.lookedUp(.test(5, identity: identity.number)))
            try store.record(.candidateHeard(.test(8), source: "test", at: .seconds(0)))
            let gone = Key(9, 9, 9, 9)
            try store.record(
                .forgotten(try store.peer(at: gone), leaving: Tombstone(key: gone, droppedAt: .seconds(0))))
            try store.record(
                .clock(ClockMark(highWater: .seconds(2), onlineMilliseconds: 5, bootID: nil, bootedAt: nil)))
            try store.record(.valueStored(.test("value")))
            try store.record(.providerStored(try store.provider("value", 3)))
            let crawl = try await store.beginCrawl(at: .seconds(3)).crawl.number
            try store.record(.visited(key, .failed(.refused), at: .seconds(4), crawl: crawl))
        }
        do {
            // Somebody's own notes, and a writer that died.
            try Connection(path: scratch.path(), access: .readWrite).execute(
                "CREATE TABLE notes (text); CREATE INDEX notes_by_text ON notes (text); CREATE VIEW seen AS SELECT key FROM peer"
            )
            try Connection(path: scratch.path(), access: .readWrite).execute(
                "INSERT INTO writer VALUES (7, 7, \(Instant.systemClock().milliseconds))")
            let store = try await Store.open(scratch.path())
            #expect(try await store.check(full: true).problems == [])
            try await store.close()
        }
        do {
            let connection = try Connection(path: scratch.path(), access: .readWrite)
            try connection.execute("PRAGMA foreign_keys = OFF; \(sql)")
            // Without seals, which would notice most of it first.
            if !sql.hasPrefix("DROP TABLE candidate") { try connection.unseal() }
        }
        let store = try await Store.open(scratch.path(), mode: .readOnly)
        let report = try await store.check(full: true)
        #expect(!report.isSound, "\(sql)")
        #expect(report.damagedRows == 0)
        #expect(report.problems.allSatisfy { !$0.description.isEmpty })
        try await store.close()
    }

    @Test("ends on keys of any width, and so does reading")
    func keysOfAnyWidth() async throws {
        let scratch = Scratch()
        try await scratch.withStore { _ in }
        do {
            let connection = try Connection(path: scratch.path(), access: .readWrite)
            // More than a page of keys that begin with the same 32 bytes.
            try connection.execute(
                """
                WITH RECURSIVE row (number) AS (SELECT 1 UNION ALL SELECT number + 1 FROM row WHERE number < 5000)
                INSERT INTO peer (key, id, addresses, first_seen, last_seen)
                SELECT CAST(zeroblob(32) || printf('%06d', number) AS BLOB), x'00', x'', 0, 0 FROM row
                """)
        }
        let store = try await Store.open(scratch.path(), mode: .readOnly)
        let report = try await store.check()
        #expect(report.peersChecked == 5_000)
        #expect(report.problemCount >= 5_000)
        // Cut to the width of keys they are all alike: nobody can go on behind them.
        let first = try store.peers(limit: 4_096)
        #expect(first.peers.isEmpty && first.damaged.count == 4_096)
        #expect(throws: StoreError.self) { try store.peers(after: first.next, limit: 4_096) }
        #expect(throws: StoreError.self) { try store.nearest(to: .zero) }
        try await store.close()
    }

    @Test("knows which SQLite releases have the WAL-reset fault")
    func walReset() {
        let affected = [3_007_000, 3_040_001, 3_044_005, 3_045_000, 3_050_006, 3_051_002]
        let sound = [3_006_023, 3_044_006, 3_044_007, 3_050_007, 3_051_003, 3_052_000]
        #expect(affected.allSatisfy(CheckReport.isAffectedByWALReset(version:)))
        #expect(!sound.contains(where: CheckReport.isAffectedByWALReset(version:)))
    }
}
