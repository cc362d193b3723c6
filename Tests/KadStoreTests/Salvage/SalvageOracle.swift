import Foundation
import Kademlia
import Multiformats
import Testing

@testable import KadStore

/// A store with something of everything, and what SQLite says of it while it is sound.
struct SalvageOracle {
    let path: String
    /// By table, the rows as text.
    let rows: [String: Set<String>]
    /// Which table each page is of, and how many rows lie there; by SQLite's own account.
    let pages: [Int: (table: String, rows: Int)]
    let pageCount: Int
    static let pageBytes = 4_096

    /// What is compared: what a mending may change (names, gaps in routing tables, sums) is left out.
    static let columns = [
        "peer":
            "key, id, first_seen, last_seen, last_ok, not_before, wait_ms, rtt_us, rtt_var_us, successes, days_seen",
        "failure": "key, address, class, count, first_at, last_at",
        "backoff":
            "key, streak_milli, streak_at, class, outcomes, outcome_count, breaker, openings, opened_at, trials",
        "candidate": "address, first_seen, last_seen, last_tried, tries",
        "tombstone": "key, dropped_at, streak_milli, not_before, wait_ms, class",
        "identity": "number, id, key, label, created_at",
        "member": "identity, prefix, key, network_group, first_seen, last_seen, last_ok, verified, failures",
        "held": "key, network_group, class, at, witnessed, count, redialled_at",
        "session": "started_at, ended_at", "lookup_summary": "finished_at, reason, queries, distances",
        "lookup_total": "reason, lookups, queries", "value": "key, received_at, expires_at, is_own, bytes",
        "provider": "key, peer, id, addresses, received_at, expires_at, is_own",
        "crawl": "number, started_at", "visit": "key, outcome, at",
    ]

    /// - Parameter upgraded: what became of a file of an older schema; its rows are compared.
    init(_ path: String, upgraded: String? = nil) throws {
        self.path = path
        rows = try Self.rows(upgraded ?? path)
        let connection = try Connection(path: path, access: .readOnly)
        var pages: [Int: (table: String, rows: Int)] = [:]
        let places = try connection.prepare(
            """
            SELECT s.pageno, m.tbl_name, m.name = m.tbl_name,
                   iif(s.pagetype = 'overflow', 1,
                       iif(s.pagetype = 'internal' AND m.sql NOT LIKE '%WITHOUT ROWID%', 0, s.ncell))
            FROM dbstat AS s JOIN sqlite_schema AS m ON m.name = s.name
            """)
        while try places.step() {
            let isTable = places.int64(2) != 0
            pages[Int(places.int64(0))] = (isTable ? places.text(1) : "", isTable ? Int(places.int64(3)) : 0)
        }
        self.pages = pages
        pageCount = Int(try connection.integer("PRAGMA page_count"))
    }

    static func rows(_ path: String) throws -> [String: Set<String>] {
        let connection = try Connection(path: path, access: .readOnly)
        var rows: [String: Set<String>] = [:]
        for (table, columns) in columns {
            let texts = columns.split(separator: ",").map { "quote(\($0))" }.joined(separator: " || ' ' || ")
            let query = try connection.prepare("SELECT \(texts) FROM \(table)")
            rows[table] = []
            while try query.step() { rows[table]?.insert(query.text(0)) }
        }
        return rows
    }

    static func id(_ number: Int) -> PeerID? {
        let bytes = (0..<32).map { UInt8(truncatingIfNeeded: ((number + 1) &* 2_654_435_761) &>> ($0 % 24)) }
        return PeerID([0x00, 0x24, 0x08, 0x01, 0x12, 0x20] + bytes)
    }

    /// Makes the store, closed. Its pages are as bulk work leaves them, some free.
    static func make(_ path: String, peers count: Int, valueBytes: Int) async throws -> SalvageOracle {
        var options = StoreOptions()
        options.queueLimit = 1_000_000
        let store = try await Store.open(path, mode: .create(.libp2p, .private), options: options)
        let peers = try (0..<count).map { try store.peer(try #require(id($0))) }
        for (number, peer) in peers.enumerated() {
            let at = Instant.seconds(Int64(number))
            try store.record(.heard(peer, addresses: [.test(number)], source: "source \(number % 3)", at: at))
            if number % 3 == 0 {
                try store.record(.answered(peer, address: .test(number), rtt: 20_000 + Int64(number), at: at))
                try store.record(
                    .identified(peer, agent: "agent/\(number % 5)", protocols: ["/a/\(number % 4)", "/b"], at: at))
            }
            if number % 5 == 0 {
                try store.record(.failed(peer, address: .test(number), .timeout, at: at))
                try store.record(
                    .backoff(
                        peer,
                        BackoffState(
                            streakMilli: 1_000, streakAt: at, lastClass: .timeout, notBefore: at,
                            waitMilliseconds: 5_000)))
            }
            if number % 9 == 0 { try store.record(.candidateHeard(.test(70_000 + number), source: "dht", at: at)) }
            if number % 40 == 0 {
                try store.record(.held(OutageGuard.Held(key: peer.key, group: nil, failureClass: .timeout, at: at)))
                try store.record(.lookedUp(LookupSummary(finishedAt: at, reason: .complete, queries: number)))
                try store.record(
                    .online(
                        from: at.advanced(byMilliseconds: Int64(number) * 3_600_000),
                        to: at.advanced(byMilliseconds: Int64(number) * 3_600_000 + 60_000)))
            }
        }
        try await store.flush()
        try await fillRest(store, peers, valueBytes)
        try await store.close()
        return try SalvageOracle(path)
    }

    private static func fillRest(_ store: Store, _ peers: [Peer], _ valueBytes: Int) async throws {
        let identity = try await store.identity(try #require(id(9_000_001)), label: "main")
        var table = RoutingTable(localKey: identity.peer.key, configuration: store.tableConfiguration)
        for (number, peer) in peers.enumerated() {
            _ = table.answered(peer.key, from: nil, at: .seconds(Int64(number)))
        }
        for bucket in table.snapshot() { try store.record(.bucket(bucket, identity: identity.number)) }
        for (number, peer) in peers.enumerated() {
            let at = Instant.seconds(Int64(number))
            let key = Array("/test/\(number)".utf8)
            if number % 10 == 0 {
                try store.record(
                    .valueStored(
                        StoredValue(
                            key: key, value: Array(repeating: UInt8(truncatingIfNeeded: number), count: 900),
                            receivedAt: at, expiresAt: at.advanced(byMilliseconds: 86_400_000), isOwn: number % 20 == 0)
                    ))
                try store.record(
                    .providerStored(
                        StoredProvider(
                            key: key, peer: peer, addresses: [.test(number)], receivedAt: at,
                            expiresAt: at.advanced(byMilliseconds: 3_600_000), isOwn: number % 30 == 0)))
            }
        }
        let large = (0..<valueBytes).map { UInt8(truncatingIfNeeded: $0 &* 31 &+ $0 / 4_096) }
        try store.record(
            .valueStored(
                StoredValue(
                    key: Array("/test/large".utf8), value: large, receivedAt: .seconds(0),
                    expiresAt: .seconds(600_000), isOwn: true)))
        let crawl = try await store.beginCrawl(at: .seconds(0)).crawl
        for (number, peer) in peers.enumerated() where number % 2 == 0 {
            let outcome: VisitOutcome = number % 4 == 0 ? .answered : .failed(.timeout)
            try store.record(.visited(peer.key, outcome, at: .seconds(Int64(number)), crawl: crawl.number))
        }
        // Leaves free pages, and pages that are partly filled.
        for (number, peer) in peers.enumerated() where number % 7 == 3 {
            try store.record(
                .forgotten(
                    peer,
                    leaving: Tombstone(key: peer.key, droppedAt: .seconds(Int64(number)), lastClass: .refused)))
        }
        try await store.flush()
        try await store.endCrawl(crawl.number, isComplete: true, at: .seconds(1))
        let next = try await store.beginCrawl(at: .seconds(2)).crawl
        for (number, peer) in peers.enumerated() where number % 6 == 0 {
            try store.record(.visited(peer.key, .answered, at: .seconds(Int64(number)), crawl: next.number))
        }
        try await store.flush()
    }
}

/// What a salvage of a damaged copy must hold to, whatever the damage.
struct SalvageTrial {
    let oracle: SalvageOracle
    let folder: String
    let figures = SalvageFigures()

    /// A copy of the oracle's file, damaged by `body`.
    func damaged(_ name: String, _ body: (inout [UInt8]) -> Void) throws -> String {
        let path = "\(folder)/\(name).db"
        var bytes = Array(try Data(contentsOf: URL(fileURLWithPath: oracle.path)))
        body(&bytes)
        try Data(bytes).write(to: URL(fileURLWithPath: path))
        return path
    }

    /// Salvages into another file, and compares what comes out.
    ///
    /// - Parameter pages: those that were damaged, whose rows may be lost; nil where any row may be.
    @discardableResult
    func salvage(
        _ path: String, pages: Set<Int>?, _ comment: Comment, options: SalvageOptions = SalvageOptions()
    ) async throws -> SalvageReport? {
        let output = path + ".saved"
        let before = try Data(contentsOf: URL(fileURLWithPath: path))
        var options = options
        options.output = output
        options.network = .libp2p
        options.scope = .private
        let lost = LostRows()
        options.onLost = { lost.add($0) }
        let report = try await Store.salvage(path, options)
        #expect(try Data(contentsOf: URL(fileURLWithPath: path)) == before, "the damaged file was changed: \(comment)")
        defer {
            for name in [path, output] { for end in ["", "-wal", "-shm", "-lock"] { unlink(name + end) } }
        }
        for table in report.tables {
            #expect(table.found == table.saved + table.superseded + table.lostCount, "\(table) \(comment)")
        }
        figures.files += 1
        guard report.outcome == .salvaged else {
            // Harmless damage: every answer is as it was.
            if report.isOlder { try await Store.open(path).close() }
            #expect(try SalvageOracle.rows(path) == oracle.rows, "not noticed: \(comment)")
            return report
        }
        figures.noticed += 1
        let store = try await Store.open(output)
        let check = try await store.check(full: true)
        #expect(check.isSound, "\(check.problems.first.map { "\($0)" } ?? "") \(comment)")
        try await store.close()
        try compare(SalvageOracle.rows(output), pages, report, comment)
        return report
    }

    /// Nothing may come out that was not there, and nothing be lost that lay elsewhere.
    private func compare(
        _ saved: [String: Set<String>], _ pages: Set<Int>?, _ report: SalvageReport, _ comment: Comment
    ) throws {
        var lostPeers: Set<Substring> = []
        for row in try #require(oracle.rows["peer"]).subtracting(saved["peer"] ?? []) {
            if let key = row.split(separator: " ").first { lostPeers.insert(key) }
        }
        // What is gone is told: of peers, which the store counts, to the last one.
        let gone = oracle.rows.mapValues(\.count).reduce(0) { $0 + max(0, $1.value - (saved[$1.key]?.count ?? 0)) }
        #expect(gone == 0 || !report.isComplete, "\(gone) rows are gone unsaid: \(comment)")
        if report.expectedPeers == oracle.rows["peer"]?.count {
            let told = report.tables.first { $0.name == "peer" }?.lostCount ?? 0
            let gone = (oracle.rows["peer"]?.count ?? 0) - (saved["peer"]?.count ?? 0)
            #expect(told >= gone, "\(gone) peers are gone, \(told) told. \(comment)")
        }
        for (table, rows) in oracle.rows {
            let result = saved[table] ?? []
            #expect(result.isSubset(of: rows), "\(table): \(result.subtracting(rows).first ?? "") \(comment)")
            figures.rows += rows.count
            figures.saved += result.count
            guard let pages else { continue }
            var mayBeLost = pages.reduce(0) { sum, page in
                guard let place = oracle.pages[page], place.table == table else { return sum }
                return sum + place.rows
            }
            let lost = rows.subtracting(result)
            mayBeLost += lost.count { row in
                let words = row.split(separator: " ")
                return ["failure", "backoff", "held"].contains(table) && lostPeers.contains(words[0])
                    || table == "member" && words.count > 2 && lostPeers.contains(words[2])
            }
            // Without its identity or crawl nothing tells what they belong to.
            if table == "member", result.isEmpty, saved["identity"]?.isEmpty == true { continue }
            if table == "visit", result.isEmpty, saved["crawl"]?.count ?? 0 < 2 { continue }
            figures.readableLost += max(0, lost.count - mayBeLost)
            #expect(
                lost.count <= mayBeLost,
                "\(table): \(lost.first ?? "") and others. \(comment) \(report.tables.map { ($0.name, $0.saved, $0.lost) })"
            )
        }
    }
}

/// What the trials of one kind came to.
final class SalvageFigures: @unchecked Sendable, CustomStringConvertible {
    /// Damaged files, and those of them in which anything was wrong.
    var files = 0
    var noticed = 0
    /// In what was salvaged: rows that there were, and that came out; and those that did not although their pages were whole.
    var rows = 0
    var saved = 0
    var readableLost = 0

    var description: String {
        "\(files) damaged files, \(noticed) noticed, the others harmless; of \(rows) rows \(saved) saved, "
            + "\(readableLost) lost that could be read"
    }
}

/// Rows that a salvage has told of.
final class LostRows: @unchecked Sendable {
    private(set) var rows: [LostRow] = []

    func add(_ row: LostRow) { rows.append(row) }
}
