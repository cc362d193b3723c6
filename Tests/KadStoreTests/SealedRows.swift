import Kademlia
import Migrations
import Multiformats
import TestSupport

@testable import KadStore

/// The SQL of every schema change.
enum MigrationFiles {
    static var all: [String] { Migration.all.map { String(decoding: $0.sql, as: UTF8.self) } }
}

extension Connection {
    /// Takes the seals away: what is changed by hand is taken at its word then.
    func unseal() throws {
        for table in SealedTable.allCases { try execute("UPDATE \(table.name) SET seal = NULL") }
    }

    /// How many rows a table has, and how many of them no seal, or a wrong one.
    func seals(_ table: SealedTable) throws -> (rows: Int, unsealed: Int, damaged: Int) {
        let rows = try prepare("SELECT \(table.columns.joined(separator: ", ")), seal FROM \(table.name)")
        var found = (rows: 0, unsealed: 0, damaged: 0)
        while try rows.step() {
            found.rows += 1
            switch rows.soundness(of: table) {
            case .sealed: break
            case .unsealed: found.unsealed += 1
            case .damaged: found.damaged += 1
            }
        }
        return found
    }

    /// The same of all tables: no seal may be missing or wrong. Returns the tables that have rows.
    func sealedTables() throws -> (tables: Set<SealedTable>, faults: [String]) {
        var (tables, faults): (Set<SealedTable>, [String]) = ([], [])
        for table in SealedTable.allCases {
            let found = try seals(table)
            if found.rows > 0 { tables.insert(table) }
            if found.unsealed + found.damaged > 0 { faults.append("\(table): \(found)") }
        }
        return (tables, faults)
    }
}

extension Scratch {
    /// A store with rows in every table, closed.
    func makeFullStore(_ name: String = "peers.db") async throws {
        try await withStore(name) { try await $0.fillEveryTable() }
    }
}

extension Store {
    func fillEveryTable() async throws {
        let keys = (1...6).map { Key(UInt64($0) << 60, 7, 0, UInt64($0)) }
        for (index, key) in keys.enumerated() {
            let peer = try peer(at: key)
            try hear(key)
            try record(.heard(peer, addresses: [.test(90 + index), .test(index)], source: "other", at: .seconds(1)))
            if index % 2 == 0 { try record(.answered(peer, address: .test(index), rtt: 25_000, at: .seconds(2))) }
            try record(
                .identified(peer, agent: "agent \(index % 2)", protocols: ["/a/1", "/b/\(index % 3)"], at: .seconds(2)))
        }
        let failing = try peer(at: keys[1])
        try record(.failed(failing, address: .test(1), .refused, at: .seconds(3)))
        try record(.failed(failing, address: nil, .timeout, at: .seconds(4)))
        try record(
            .backoff(
                failing,
                BackoffState(
                    streakMilli: 2_000, streakAt: .seconds(4), lastClass: .timeout, notBefore: .seconds(60),
                    waitMilliseconds: 56_000, outcomes: 5, outcomeCount: 4, breaker: .open, openings: 1,
                    openedAt: .seconds(4), trials: 0)))
        let identity = try await self.identity(try peer(at: Key(0, 1, 0, 0)).id, label: "node")
        let contacts = keys.map { key in
            Contact(
                key: key, networkGroup: .ipv4(UInt32(truncatingIfNeeded: key.word3)), firstSeen: .seconds(0),
                lastSeen: .seconds(2), lastOK: .seconds(2), isVerified: true, consecutiveFailures: 0)
        }
        for bucket in 0...3 {
            let members = contacts.filter { $0.key.commonPrefixLength(with: identity.peer.key) == bucket }
            let snapshot = BucketSnapshot(
                index: bucket, refreshedAt: .seconds(Int64(bucket)), live: Array(members.prefix(2)),
                replacements: Array(members.dropFirst(2)))
            try record(.bucket(snapshot, identity: identity.number))
        }
        try record(.held(.test(keys[3])))
        try record(.held(.test(keys[4], at: .seconds(3), count: 2)))
        try record(.witnesses([.init(group: .ipv4(7), at: .seconds(1))], canaryAt: .seconds(2)))
        try record(.online(from: .seconds(-9_000), to: .seconds(-8_000)))
        try record(.online(from: .seconds(0), to: .seconds(5)))
        try record(.lookedUp(.test(5, identity: identity.number)))
        try record(
            .clock(ClockMark(highWater: .seconds(5), onlineMilliseconds: 5, bootID: "boot", bootedAt: .seconds(0))))
        for index in 0..<3 { try record(.candidateHeard(.test(500 + index), source: "test", at: .seconds(0))) }
        try record(.candidateTried(.test(500), at: .seconds(1)))
        for index: UInt64 in 1...2 {
            let gone = Key(index << 60, 9, 9, 9)
            let stone = Tombstone(
                key: gone, droppedAt: .seconds(3), streakMilli: 3_000, lastClass: .badResponse, notBefore: .seconds(90),
                waitMilliseconds: 80_000)
            try record(.forgotten(try peer(at: gone), leaving: stone))
        }
        try record(.valueStored(.test("others")))
        try record(.valueStored(.test("large", String(repeating: "large ", count: 1_500))))
        try record(.valueStored(.test("own", "mine", isOwn: true)))
        for peer: UInt64 in 1...3 {
            try record(.providerStored(try provider("c", peer, at: Int64(peer), addresses: [1, 2], isOwn: peer == 3)))
        }
        let crawl = try await beginCrawl(at: .seconds(3)).crawl.number
        try record(.visited(keys[0], .answered, at: .seconds(4), crawl: crawl))
        try record(.visited(keys[1], .failed(.refused), at: .seconds(4), crawl: crawl))
        try await flush()
    }
}
