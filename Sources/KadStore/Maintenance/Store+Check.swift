import Kademlia
import Migrations
import Multiformats

extension Store {
    /// Checks the file: SQLite's structures, the recorded schema changes, every row's values, and the invariants of every
    /// stored routing table. Reads in short pages, on a thread of the store's own; nothing is changed.
    ///
    /// - Parameters:
    ///   - full: also derives every key from its id again, and compares indexes with their tables.
    ///   - progress: called now and then with the number of peers that are done.
    /// - Complexity: O(n).
    public func check(
        full: Bool = false, progress: (@Sendable (Int) -> Void)? = nil
    ) async throws(StoreError) -> CheckReport {
        if let writer { _ = try await writer.perform { try $0.commitPending() } }
        let path = path
        return try await maintain { reader in
            var checker = Checker(reader: reader, report: CheckReport(isFull: full))
            try checker.checkFile(path)
            // A file whose structure is broken is not read row by row: the answers would mean nothing.
            guard checker.report.isSound else { return checker.report }
            var last: [UInt8] = []
            while try checker.checkPeers(after: &last) { progress?(checker.report.peersChecked) }
            try checker.checkReferences()
            try checker.checkTables()
            try checker.checkEngine()
            return checker.report
        }
    }
}

/// One run of a check.
private struct Checker {
    let reader: RecordReader
    var report: CheckReport

    private var connection: Connection { reader.connection }
    private static let pageRows: Int64 = 4_096

    init(reader: RecordReader, report: CheckReport) {
        self.reader = reader
        self.report = report
    }

    mutating func checkFile(_ path: String) throws {
        try Migrator(connection: connection, path: path).verify(through: Migrator.latest)
        let query = try connection.prepare(
            report.isFull
                ? "PRAGMA integrity_check(\(CheckReport.problemLimit))"
                : "PRAGMA quick_check(\(CheckReport.problemLimit))")
        while try query.step() {
            if query.text(0) != "ok" { report.note("file", query.text(0)) }
        }
        try checkSchema()
    }

    /// Compares the tables and indexes with those that the migrations make.
    private mutating func checkSchema() throws {
        let model = try Connection(path: "", access: .memory)
        for migration in Migration.all { try model.execute(String(decoding: migration.sql, as: UTF8.self)) }
        let (found, expected) = (try Self.schema(connection), try Self.schema(model))
        for name in Set(found.keys).union(expected.keys).sorted() where found[name] != expected[name] {
            let what =
                found[name] == nil ? "is missing" : expected[name] == nil ? "is none of ours" : "has been changed"
            report.note("schema", "\(name) \(what)")
        }
    }

    private static func schema(_ connection: Connection) throws -> [String: String] {
        // What SQLite makes by itself, for UNIQUE and ANALYZE, has no text or a reserved name.
        let query = try connection.prepare(
            "SELECT type || ' ' || name, sql FROM sqlite_schema WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite_%'")
        var schema: [String: String] = [:]
        while try query.step() { schema[query.text(0)] = query.text(1) }
        return schema
    }

    /// A page of table peer.
    ///
    /// - Returns: whether there may be more.
    mutating func checkPeers(after last: inout [UInt8]) throws -> Bool {
        let query = try connection.statement(
            """
            SELECT key, id, addresses, first_seen, last_seen, last_ok, not_before, wait_ms, rtt_us, rtt_var_us,
                   successes, days_seen, agent, protocols, source
            FROM peer WHERE key > ?1 ORDER BY key LIMIT ?2
            """)
        defer { query.reset() }
        query.bind(1, last).bind(2, Self.pageRows)
        var rows: Int64 = 0
        while try query.step() {
            rows += 1
            report.peersChecked += 1
            // The bytes as they are: a key of another width, cut to ours, could lead back to the same page.
            last = query.array(0)
            guard last.count == reader.width, let key = Key(bytes: last) else {
                report.note("peer", "a key of \(last.count) bytes, not \(reader.width)")
                continue
            }
            try checkPeer(key, query)
        }
        return rows == Self.pageRows
    }

    private mutating func checkPeer(_ key: Key, _ row: Statement) throws {
        func instant(_ column: Int32) -> Instant { Instant(milliseconds: row.int64(column)) }
        if let id = PeerID(row.array(1)) {
            if report.isFull, (try? reader.network.key(of: id)) != key {
                report.note("peer", key, "its key is not the key of its id")
            }
        } else {
            report.note("peer", key, "an id of \(row.bytes(1).count) bytes")
        }
        let base = AddressCodec.Base(
            firstSeen: instant(3), lastSeen: instant(4), lastOK: row.optionalInt64(5).map(Instant.init(milliseconds:)),
            source: row.optionalInt64(14))
        if let entries = AddressCodec.decode(row.array(2)[...], base: base) {
            if entries.count > AddressRecord.maximumPerPeer { report.note("peer", key, "\(entries.count) addresses") }
            if Set(entries.map(\.record.address)).count < entries.count {
                report.note("peer", key, "an address is there twice")
            }
            for entry in entries where try entry.source != nil && reader.strings.name(.source, entry.source) == nil {
                report.note("peer", key, "the source of an address is unknown")
            }
        } else {
            report.note("peer", key, "its addresses cannot be read")
        }
        if row.int64(3) > row.int64(4) { report.note("peer", key, "first seen after it was last seen") }
        if row.isNull(6) != row.isNull(7) || row.int64(7) < 0 {
            report.note("peer", key, "a backoff without its wait, or the other way round")
        }
        if row.int64(8) < 0 || row.int64(9) < 0 || row.isNull(8) != row.isNull(9) {
            report.note("peer", key, "a round-trip time that cannot be")
        }
        if row.int64(10) < 0 { report.note("peer", key, "\(row.int64(10)) successes") }
        for (column, table) in [(12, StringTables.Table.agent), (13, .protocolSet), (14, .source)] {
            let number = row.optionalInt64(Int32(column))
            if try number != nil && reader.strings.name(table, number) == nil {
                report.note("peer", key, "row \(number ?? 0) of table \(table) is missing")
            }
        }
    }

    /// Failures, backoffs and contacts of peers that are not there; values that no version writes.
    mutating func checkReferences() throws {
        let foreign = try connection.statement("PRAGMA foreign_key_check")
        defer { foreign.reset() }
        while try foreign.step() { report.note(foreign.text(0), "a row refers to a missing row of \(foreign.text(2))") }
        let classes = Int64(FailureClass.allCases.map(\.rawValue).max() ?? 0)
        let unknown = try connection.statement(
            "SELECT count(*) FROM failure WHERE class NOT BETWEEN 1 AND ?1 OR first_at > last_at")
        defer { unknown.reset() }
        if try unknown.bind(1, classes).step(), unknown.int64(0) > 0 {
            report.note("failure", "\(unknown.int64(0)) rows of unknown classes or times")
        }
        let addresses = try connection.statement("SELECT key, address FROM failure WHERE length(address) > 0")
        defer { addresses.reset() }
        while try addresses.step() {
            guard (try? Multiaddr(bytes: addresses.array(1))) == nil else { continue }
            report.note("failure", Key(bytes: addresses.bytes(0)), "its address cannot be read")
        }
        let backoffs = try connection.statement(
            "SELECT key FROM backoff WHERE class NOT BETWEEN 1 AND ?1 OR outcome_count NOT BETWEEN 0 AND 32")
        defer { backoffs.reset() }
        backoffs.bind(1, classes)
        while try backoffs.step() { report.note("backoff", Key(bytes: backoffs.bytes(0)), "values that cannot be") }
    }

    /// The stored routing tables, by the checker that the table itself uses.
    mutating func checkTables() throws {
        for identity in try reader.identities() {
            if (try? reader.network.key(of: identity.peer.id)) != identity.peer.key {
                report.note("identity", identity.peer.key, "its key is not the key of its id")
            }
            // Sizes and limits are settings of whoever runs the table: as wide here as a file can tell.
            var configuration = RoutingTable.Configuration()
            configuration.keyBits = reader.network.keyBits
            configuration.k = 4_096
            configuration.replacementCacheSize = 4_096
            configuration.limits = nil
            let restored = RoutingTable.restored(
                from: try reader.buckets(of: identity.number), localKey: identity.peer.key,
                configuration: configuration)
            report.contactsChecked += restored.table.count + restored.table.replacementCount
            for fault in restored.faults { report.note("member", "identity \(identity.number): \(fault)") }
            for violation in restored.table.invariantViolations() {
                report.note("member", "identity \(identity.number): \(violation)")
            }
        }
    }

    /// What a running node remembers beside its peers: values that no version writes.
    mutating func checkEngine() throws {
        // One statement, so one view: peers may come and go meanwhile.
        let difference = try connection.integer(
            "SELECT (SELECT count(*) FROM peer) - ifnull((SELECT peers FROM tally), -1)")
        if difference != 0 { report.note("tally", "it is \(difference) peers behind the peers that are there") }
        let classes = Int64(FailureClass.allCases.map(\.rawValue).max() ?? 0)
        let held = try connection.statement("SELECT key, class, network_group FROM held")
        defer { held.reset() }
        while try held.step() {
            let hasGroup = held.isNull(2) || NetworkGroup(bytes: held.array(2)) != nil
            guard !(1...classes).contains(held.int64(1)) || !hasGroup else { continue }
            report.note("held", Key(bytes: held.bytes(0)), "values that cannot be")
        }
        let witnesses = try connection.statement("SELECT network_group FROM witness WHERE network_group IS NOT NULL")
        defer { witnesses.reset() }
        while try witnesses.step() {
            if NetworkGroup(bytes: witnesses.array(0)) == nil { report.note("witness", "a network group that is none") }
        }
        try checkSessions()
        try checkLookups()
        for (table, limit) in [
            ("held", Store.maximumHeldFailures), ("session", OnlineTime.maximumCount),
            ("lookup_summary", LookupSummary.maximumCount),
        ] {
            let count = try connection.prepare("SELECT count(*) FROM \(table)")
            if try count.step(), count.int64(0) > Int64(limit) {
                report.note(table, "\(count.int64(0)) rows, at most \(limit) are kept")
            }
        }
    }

    private mutating func checkSessions() throws {
        let sessions = try connection.statement("SELECT started_at, ended_at FROM session ORDER BY started_at")
        defer { sessions.reset() }
        var end = Int64.min
        while try sessions.step() {
            if sessions.int64(0) < end { report.note("session", "two overlap at \(sessions.int64(0))") }
            end = max(end, sessions.int64(1))
        }
    }

    private mutating func checkLookups() throws {
        let reasons = Int64(Lookup.FinishReason.allCases.map(\.rawValue).max() ?? 0)
        let ends = try connection.statement(
            """
            SELECT 'lookup_summary', reason FROM lookup_summary WHERE reason NOT BETWEEN 1 AND ?1
            UNION ALL SELECT 'lookup_total', reason FROM lookup_total WHERE reason NOT BETWEEN 1 AND ?1
            """)
        defer { ends.reset() }
        ends.bind(1, reasons)
        while try ends.step() { report.note(ends.text(0), "an end of lookups that is none: \(ends.int64(1))") }
        let costs =
            try reader.lookups().compactMap(\.contradiction) + reader.lookupTotals().compactMap(\.contradiction)
        for contradiction in costs { report.note("lookup", contradiction) }
    }
}
