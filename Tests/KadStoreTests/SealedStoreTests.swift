import Foundation
import Kademlia
import Multiformats
import TestSupport
import Testing

@testable import KadStore

@Suite("The rows of a store")
struct SealedStoreTests {
    private func connection(_ scratch: Scratch, _ access: Connection.Access = .readWrite) throws -> Connection {
        try Connection(path: scratch.path(), access: access)
    }

    // MARK: Writing

    @Test("are sealed, whatever wrote them")
    func everyWriter() async throws {
        let scratch = Scratch()
        try await scratch.makeFullStore()
        do {
            let found = try connection(scratch).sealedTables()
            #expect(found.tables == Set(SealedTable.allCases) && found.faults == [])
        }
        let store = try await Store.open(scratch.path())
        func unsealed(_ what: String) async throws {
            try await store.flush()
            let faults = try connection(scratch, .readOnly).sealedTables().faults
            #expect(faults == [], "\(what)")
        }
        // Rows that were there, changed.
        let records = try store.peers().peers
        for record in records {
            try store.record(
                .answered(record.peer, address: record.addresses.first?.address, rtt: 30_000, at: .seconds(9)))
            try store.record(.failed(record.peer, address: nil, .timeout, at: .seconds(10)))
            try store.record(
                .identified(record.peer, agent: "new \(record.key.word3)", protocols: ["/new"], at: .seconds(9)))
            try store.record(.held(.test(record.key, at: .seconds(9), count: 3)))
        }
        let crawl = try #require(try store.crawls().first).number
        try store.record(.visited(records[0].key, .leftOut, at: .seconds(9), crawl: crawl))
        try store.record(.candidateTried(.test(501), at: .seconds(9)))
        try store.record(.online(from: .seconds(5), to: .seconds(50)))
        try store.record(.clock(ClockMark(highWater: .seconds(50), onlineMilliseconds: 9, bootID: nil, bootedAt: nil)))
        try await unsealed("events")
        // Values and providers that take the place of others, and what is stamped too far ahead.
        try store.record(.valueStored(.test("others", "another", at: 9)))
        try store.record(.valueStored(.test("own", "mine again", at: 9, isOwn: true)))
        try store.record(.providerStored(try store.provider("c", 1, at: 9, addresses: [4])))
        try await unsealed("values")
        try store.record(.valueStored(.test("ahead", at: 1_000_000_000)))
        try store.record(.providerStored(try store.provider("ahead", 2, at: 1_000_000_000)))
        try await store.flush()
        #expect(try await store.sweepValues(at: .seconds(10)).restamped == 2)
        #expect(try store.value(Array("ahead".utf8), at: .seconds(20)) != nil)
        try await unsealed("values stamped anew")
        _ = try await store.raisePeerCap(to: store.peerCap + 5)
        try await unsealed("a higher cap")
        #expect(try await store.forgiveAll() > 0)
        try await unsealed("forgiven peers")

        let loader = try store.bulkLoader(BulkOptions(now: .seconds(20)))
        let newcomer = try store.peer(at: Key(77, 0, 0, 0))
        for (index, peer) in (records.map(\.peer) + [newcomer]).enumerated() {
            try loader.add(ImportedPeer(id: peer.id, addresses: [ImportedPeer.Address(.test(800 + index))]))
        }
        for index in 500..<505 {
            try loader.add(
                Candidate(address: .test(index), firstSeen: .seconds(20), lastSeen: .seconds(20), source: "bulk"))
        }
        _ = try await loader.finish()
        try await unsealed("a bulk load")
        try store.record(.failed(records[2].peer, address: nil, .badResponse, at: .seconds(21)))
        try await store.flush()
        _ = try await store.prune(.peers(notSeenSince: .seconds(1_000_000)))
        try await unsealed("pruned")
        #expect(try await store.check(full: true).problems.map(\.description) == [])
        try await store.close()
    }

    @Test("are sealed in a store that was restored")
    func restored() async throws {
        let scratch = Scratch()
        try await scratch.withStore { store in
            let peer = try store.peer(at: Key(5, 0, 0, 0))
            var record = PeerRecord(peer: peer, firstSeen: .seconds(0), source: "restored")
            record.agent = "agent"
            record.protocols = ["/a"]
            record.failures = [
                FailureRecord(
                    address: nil, failureClass: .timeout, count: 1, firstAt: .seconds(0), lastAt: .seconds(1))
            ]
            record.backoff = BackoffState(streakMilli: 1, streakAt: .seconds(1), lastClass: .timeout)
            let identity = Identity(
                number: 4, peer: try store.peer(at: Key(6, 0, 0, 0)), label: "", createdAt: .seconds(0))
            let items: [RestoreItem] = [
                .peer(record), .candidate(Candidate(address: .test(3), firstSeen: .seconds(0), lastSeen: .seconds(0))),
                .tombstone(Tombstone(key: Key(7, 0, 0, 0), droppedAt: .seconds(0))), .identity(identity),
                .bucket(
                    BucketSnapshot(index: 6, refreshedAt: nil, live: [.test(peer.key)], replacements: []), identity: 4),
                .clock(ClockMark(highWater: .seconds(2), onlineMilliseconds: 5, bootID: nil, bootedAt: nil)),
                .held(.test(peer.key)), .session(OnlineTime.Session(start: .seconds(0), end: .seconds(1))),
            ]
            let feed = Feed(items)
            try await store.restore { feed.next() }
        }
        let found = try connection(scratch).sealedTables()
        #expect(found.faults == [])
        #expect(found.tables.count == 15)
    }

    private final class Feed: @unchecked Sendable {
        private var items: ArraySlice<RestoreItem>
        init(_ items: [RestoreItem]) { self.items = items[...] }
        func next() -> RestoreItem? { items.popFirst() }
    }

    // MARK: Damage

    /// Damage that is no contradiction in itself: values that any version might have written.
    static let damage = [
        "UPDATE peer SET last_seen = last_seen + 1", "UPDATE peer SET successes = successes + 4",
        "UPDATE peer SET addresses = CAST(substr(addresses, 1, 3) || x'0b' || substr(addresses, 5) AS BLOB)",
        "UPDATE peer SET last_ok = NULL", "UPDATE peer SET agent = 3 - agent", "UPDATE peer SET days_seen = 3",
        "UPDATE failure SET count = count + 1", "UPDATE failure SET class = 3", "UPDATE backoff SET streak_milli = 1",
        "UPDATE backoff SET opened_at = NULL", "UPDATE peer SET seal = seal + 1",
    ]

    @Test(
        "of a peer that were changed are left out by name, merged into by nobody, and stay as they are",
        arguments: damage)
    func peers(sql: String) async throws {
        let scratch = Scratch()
        try await scratch.makeFullStore()
        // The one with failures and a backoff; among the rest, one that answered.
        let broken = Key(sql.contains("last_ok") ? 1 << 60 : 2 << 60, 7, 0, sql.contains("last_ok") ? 1 : 2)
        do {
            let connection = try connection(scratch)
            try connection.execute("\(sql) WHERE key = x'\(Hex.encode(broken.bytes()))'")
            #expect(connection.changes > 0)
        }
        func rows() throws -> [[[String]]] {
            try ["peer", "failure", "backoff"].map {
                try OldFile.rows(connection(scratch), $0, where: "key = x'\(Hex.encode(broken.bytes()))'")
            }
        }
        let before = try rows()
        let store = try await Store.open(scratch.path())
        #expect(try store.peers().damaged == [broken])
        #expect(try store.peers().peers.count == 5)
        #expect(throws: StoreError.self) { try store.record(of: broken) }
        #expect(try await store.check().damagedRows >= 1)
        let problem = try #require(
            try await store.check().problems.first { $0.text.contains("does not match its seal") })
        #expect(problem.key == broken)

        let peer = try store.peer(at: broken)
        try store.record(.answered(peer, address: nil, rtt: nil, at: .seconds(99)))
        try store.record(.failed(peer, address: nil, .timeout, at: .seconds(99)))
        try store.record(.forgotten(peer, leaving: nil))
        let loader = try store.bulkLoader(BulkOptions(now: .seconds(100)))
        try loader.add(ImportedPeer(id: peer.id, addresses: [ImportedPeer.Address(.test(77))]))
        #expect(try await loader.finish().damagedPeers == 1)
        await #expect(throws: StoreError.self) { try await store.forgive(broken) }
        _ = try await store.forgiveAll()
        let pruned = try await store.prune(.peers(notSeenSince: .seconds(1_000_000)))
        #expect(pruned.damaged == 1)
        _ = try await store.vacuum()
        #expect(try rows() == before)
        try await store.close()
    }

    @Test("without a seal are taken at their word, counted, and sealed by a vacuum and when they change")
    func unsealed() async throws {
        let scratch = Scratch()
        try await scratch.makeFullStore()
        let rows: Int
        do {
            let connection = try connection(scratch)
            rows = try SealedTable.allCases.map { try connection.seals($0).rows }.reduce(0, +)
            try connection.execute("UPDATE peer SET successes = 40")
            try connection.unseal()
        }
        let store = try await Store.open(scratch.path())
        var report = try await store.check(full: true)
        #expect(report.problems.map(\.description) == [])
        #expect(report.unsealedRows == rows && report.damagedRows == 0)
        let page = try store.peers()
        #expect(page.damaged == [] && page.peers.allSatisfy { $0.successes == 40 })
        try store.record(.answered(page.peers[0].peer, address: nil, rtt: nil, at: .seconds(99)))
        try await store.flush()
        report = try await store.check(full: true)
        #expect(report.problems.map(\.description) == [])
        #expect(report.unsealedRows == rows - 1)
        #expect(try await store.vacuum().sealedRows == rows - 1)
        report = try await store.check(full: true)
        #expect(report.problems.map(\.description) == [])
        #expect(report.unsealedRows == 0)
        #expect(try store.peers().peers.count == 6)
        #expect(try await store.vacuum().sealedRows == 0)
        try await store.close()
    }

    @Test("that are damaged stay so: a vacuum seals none of them")
    func vacuumLaundersNothing() async throws {
        let scratch = Scratch()
        try await scratch.makeFullStore()
        do {
            let connection = try connection(scratch)
            for table in SealedTable.allCases where table != .network {
                try connection.execute("UPDATE \(table.name) SET seal = ~seal")
            }
        }
        let store = try await Store.open(scratch.path())
        let before = try await store.check().damagedRows
        #expect(before > 40)
        #expect(try await store.vacuum().sealedRows == 0)
        #expect(try await store.check().damagedRows == before)
        try await store.close()
    }

    @Test("of the network that were changed open nothing")
    func network() async throws {
        let scratch = Scratch()
        try await scratch.makeFullStore()
        try connection(scratch).execute("UPDATE network SET peer_cap = peer_cap + 1")
        for mode in [OpenMode.readOnly, .readWrite] {
            await #expect(throws: StoreError.self) { try await Store.open(scratch.path(), mode: mode) }
        }
        try connection(scratch).execute("UPDATE network SET seal = NULL")
        let store = try await Store.open(scratch.path())
        _ = try await store.raisePeerCap(to: store.peerCap + 1)
        try await store.close()
        #expect(try connection(scratch).seals(.network) == (1, 0, 0))
    }

    @Test("of other tables that were changed are passed over and named, and stop nothing")
    func otherTables() async throws {
        let scratch = Scratch()
        try await scratch.makeFullStore()
        func read(_ store: Store) throws -> [Int] {
            let identity = try store.identities().first
            return [
                try store.candidates().candidates.count, try store.tombstones().tombstones.count,
                try store.heldFailures().count,
                try store.sessions().sessions.count, try store.clock() == nil ? 0 : 1,
                try store.value(Array("others".utf8), at: .seconds(5)) == nil ? 0 : 1,
                try store.ownValues().values.count, try store.providers(of: Array("c".utf8), at: .seconds(5)).count,
                try store.ownProviders().providers.count, try store.identities().count,
                try identity.map { try store.buckets(of: $0).flatMap { $0.live + $0.replacements }.count } ?? 0,
            ]
        }
        let edits: [(String, [Int])] = [
            (
                "UPDATE candidate SET tries = tries + 1 WHERE address = (SELECT min(address) FROM candidate)",
                [2, 2, 2, 2, 1, 1, 1, 3, 1, 1, 6]
            ),
            (
                "UPDATE tombstone SET class = 1 WHERE key = (SELECT max(key) FROM tombstone)",
                [3, 1, 2, 2, 1, 1, 1, 3, 1, 1, 6]
            ),
            ("UPDATE held SET count = 9 WHERE key = (SELECT min(key) FROM held)", [3, 2, 1, 2, 1, 1, 1, 3, 1, 1, 6]),
            (
                "UPDATE session SET ended_at = ended_at + 1 WHERE started_at = (SELECT min(started_at) FROM session)",
                [3, 2, 2, 1, 1, 1, 1, 3, 1, 1, 6]
            ),
            ("UPDATE clock SET high_water = high_water + 1", [3, 2, 2, 2, 0, 1, 1, 3, 1, 1, 6]),
            ("UPDATE value SET bytes = x'00' WHERE key = CAST('others' AS BLOB)", [3, 2, 2, 2, 1, 0, 1, 3, 1, 1, 6]),
            ("UPDATE value SET bytes = x'00' WHERE is_own", [3, 2, 2, 2, 1, 1, 0, 3, 1, 1, 6]),
            ("UPDATE provider SET received_at = 1 WHERE is_own", [3, 2, 2, 2, 1, 1, 1, 2, 0, 1, 6]),
            ("UPDATE identity SET label = 'x'", [3, 2, 2, 2, 1, 1, 1, 3, 1, 0, 0]),
            ("UPDATE bucket SET refreshed_at = 1", [3, 2, 2, 2, 1, 1, 1, 3, 1, 1, 6]),
            (
                "UPDATE member SET verified = 0 WHERE key = (SELECT min(key) FROM member)",
                [3, 2, 2, 2, 1, 1, 1, 3, 1, 1, 5]
            ),
        ]
        for (sql, expected) in edits {
            let copy = Scratch()
            try FileManager.default.copyItem(atPath: scratch.path(), toPath: copy.path())
            do {
                let connection = try connection(copy)
                try connection.execute(sql)
                #expect(connection.changes > 0, "\(sql)")
            }
            let store = try await Store.open(copy.path())
            #expect(try read(store) == expected, "\(sql)")
            let report = try await store.check(full: true)
            #expect(report.damagedRows >= 1, "\(sql)")
            if sql.hasPrefix("UPDATE bucket") {
                let identity = try #require(try store.identities().first)
                #expect(try store.buckets(of: identity).allSatisfy { $0.refreshedAt == nil })
            }
            try await store.close()
        }
    }

    @Test("of strings that were changed read as unknown, in peers that are otherwise sound")
    func strings() async throws {
        let scratch = Scratch()
        try await scratch.makeFullStore()
        try connection(scratch).execute(
            "UPDATE agent SET name = 'agent X' WHERE id = 1; UPDATE protocol_set SET names = '/c/1' WHERE id = 1")
        let store = try await Store.open(scratch.path())
        let page = try store.peers()
        #expect(page.damaged == [] && page.peers.count == 6)
        #expect(page.peers.count { $0.agent == nil } == 3 && page.peers.count { $0.protocols == [] } == 2)
        // The string is heard of again: it has its number, whatever became of its row.
        try store.record(
            .identified(page.peers[0].peer, agent: "agent 0", protocols: ["/a/1", "/b/0"], at: .seconds(9)))
        try await store.flush()
        let report = try await store.check(full: true)
        #expect(report.damagedRows == 2)
        #expect(Set(report.problems.map(\.place)).isSuperset(of: ["agent", "protocol_set"]))
        try await store.close()
    }

    @Test("that are damaged are not replaced by what others say, nor dropped for what they say of themselves")
    func nothingInSilence() async throws {
        let scratch = Scratch()
        try await scratch.makeFullStore()
        let edits = [
            ("value", "UPDATE value SET is_own = 0, expires_at = 1 WHERE key = CAST('own' AS BLOB)"),
            ("provider", "UPDATE provider SET is_own = 0, expires_at = 1 WHERE is_own = 1"),
            ("candidate", "UPDATE candidate SET last_seen = 1 WHERE address = (SELECT min(address) FROM candidate)"),
            ("tombstone", "UPDATE tombstone SET dropped_at = 1 WHERE key = (SELECT min(key) FROM tombstone)"),
            ("held", "UPDATE held SET at = 1 WHERE key = (SELECT min(key) FROM held)"),
            ("visit", "UPDATE visit SET outcome = 7 WHERE key = (SELECT min(key) FROM visit)"),
        ]
        for (_, sql) in edits { try connection(scratch).execute(sql) }
        func damaged() throws -> [[String]] {
            let connection = try connection(scratch, .readOnly)
            return try edits.map { edit in
                let table = try #require(SealedTable.allCases.first { $0.name == edit.0 })
                let rows = try connection.prepare(
                    "SELECT \(table.columns.joined(separator: ", ")), seal FROM \(table.name)")
                var found: [String] = []
                while try rows.step() {
                    guard rows.soundness(of: table) == .damaged else { continue }
                    found.append((0...table.columnCount).map { "\(rows.array($0))" }.joined())
                }
                return found
            }
        }
        let before = try damaged()
        #expect(before.map(\.count) == [1, 1, 1, 1, 1, 1])

        let store = try await Store.open(scratch.path())
        try store.record(.valueStored(.test("own", "theirs", at: 9)))
        try store.record(.providerStored(try store.provider("c", 3, at: 9, addresses: [9])))
        #expect(try store.value(Array("own".utf8), at: .seconds(10)) == nil)
        #expect(try store.providers(of: Array("c".utf8), at: .seconds(10)).count == 2)
        for index in 500..<503 { try store.record(.candidateHeard(.test(index), source: "test", at: .seconds(9))) }
        #expect(try store.candidates().candidates.count == 2)
        let gone = Key(1 << 60, 9, 9, 9)
        try store.record(.forgotten(try store.peer(at: gone), leaving: Tombstone(key: gone, droppedAt: .seconds(9))))
        #expect(try store.tombstones().tombstones.map(\.key) == [Key(2 << 60, 9, 9, 9)])
        let held = Key(4 << 60, 7, 0, 4)
        try store.record(.held(.test(held, at: .seconds(9), count: 4)))
        #expect(try store.heldFailures().map(\.key) == [Key(5 << 60, 7, 0, 5)])
        let crawl = try #require(try store.crawls().first).number
        try store.record(.visited(Key(1 << 60, 7, 0, 1), .answered, at: .seconds(9), crawl: crawl))
        try await store.flush()
        #expect(try store.heldFailures().count == 1 && store.tombstones().tombstones.count == 1)
        _ = try await store.sweepValues(at: .seconds(1_000_000))
        var rules = PruneRules()
        rules.candidatesNotSeenSince = .seconds(5)
        rules.tombstonesBefore = .seconds(5)
        rules.expiredBy = .seconds(1_000_000)
        #expect(try await store.prune(rules).damaged == 2)
        #expect(try damaged() == before)
        // Published anew by whose they are, they are sound again.
        try store.record(.valueStored(.test("own", "mine", at: 9, isOwn: true)))
        try store.record(.providerStored(try store.provider("c", 3, at: 9, isOwn: true)))
        #expect(try store.ownValues().values.count == 1 && store.ownProviders().providers.count == 1)
        try await store.flush()
        #expect(try store.ownValues().values.count == 1 && store.ownProviders().providers.count == 1)
        #expect(try damaged().map(\.count) == [0, 0, 1, 1, 1, 1])
        try await store.close()
    }

    @Test("of an identity that were changed keep its node from starting under a second one")
    func identity() async throws {
        let scratch = Scratch()
        try await scratch.makeFullStore()
        try connection(scratch).execute("UPDATE identity SET label = 'x'")
        let store = try await Store.open(scratch.path())
        let error = await #expect(throws: StoreError.self) {
            try await store.identity(try store.peer(at: Key(0, 1, 0, 0)).id)
        }
        guard case .corrupt = error else {
            Issue.record("\(String(describing: error))")
            return
        }
        #expect(try await store.identity(try store.peer(at: Key(0, 2, 0, 0)).id).number == 2)
        try await store.close()
    }

    // MARK: Pages

    @Test("are read to the end in pages of any size, however many of them are damaged", arguments: Seeds.first(3))
    func pages(seed: UInt64) async throws {
        var generator = SeededGenerator(seed: seed)
        let scratch = Scratch()
        let keys = (0..<120).map { _ in Key.random(using: &generator) }.sorted()
        try await scratch.withStore { store in
            for key in keys {
                try store.hear(key)
                try store.record(.candidateHeard(.test(Int(key.word3 & 0xffff)), source: nil, at: .seconds(0)))
                let gone = Key(key.word3, key.word2, 1, 1)
                try store.record(
                    .forgotten(try store.peer(at: gone), leaving: Tombstone(key: gone, droppedAt: .seconds(0))))
            }
        }
        let broken = Set(keys.filter { _ in UInt64.random(in: 0..<3, using: &generator) < seed })
        do {
            let connection = try connection(scratch)
            for key in broken {
                try connection.execute(
                    "UPDATE peer SET last_seen = last_seen + 7 WHERE key = x'\(Hex.encode(key.bytes()))'")
            }
            try connection.execute(
                """
                UPDATE candidate SET tries = 7 WHERE unicode(substr(hex(address), 10, 1)) % 3 < \(seed)
                """)
            try connection.execute(
                "UPDATE tombstone SET class = 6 WHERE unicode(substr(hex(key), 9, 1)) % 3 < \(seed)")
        }
        let store = try await Store.open(scratch.path())
        for limit in [1, 2, 7, 50, 4_096] {
            var (found, damaged): ([Key], [Key]) = ([], [])
            var next: Key?
            repeat {
                let page = try store.peers(after: next, limit: limit)
                found += page.peers.map(\.key)
                damaged += page.damaged
                next = page.next
            } while next != nil
            #expect(found == keys.filter { !broken.contains($0) } && Set(damaged) == broken, "\(limit)")
            #expect(damaged.count == broken.count, "\(limit)")
            var candidates: [Candidate] = []
            var place: Multiaddr?
            var damagedCandidates = 0
            let written = Int(try connection(scratch, .readOnly).integer("SELECT count(*) FROM candidate"))
            repeat {
                let page = try store.candidates(after: place, limit: limit)
                candidates += page.candidates
                damagedCandidates += page.damaged
                place = page.next
            } while place != nil
            #expect(damagedCandidates == written - candidates.count)
            #expect(candidates.allSatisfy { $0.tries == 0 })
            let sound = try connection(scratch, .readOnly).integer("SELECT count(*) FROM candidate WHERE tries = 0")
            #expect(candidates.count == sound)
            var stones: [Tombstone] = []
            var end: Key?
            var damagedStones = 0
            repeat {
                let page = try store.tombstones(after: end, limit: limit)
                stones += page.tombstones
                damagedStones += page.damaged
                end = page.next
            } while end != nil
            #expect(damagedStones == keys.count - stones.count)
            let left = try connection(scratch, .readOnly).integer("SELECT count(*) FROM tombstone WHERE class <> 6")
            #expect(stones.count == left)
        }
        try await store.close()
    }
}

extension PruneRules {
    fileprivate static func peers(notSeenSince end: Instant) -> PruneRules {
        var rules = PruneRules()
        rules.conditions = [.notSeen(since: end)]
        return rules
    }
}
