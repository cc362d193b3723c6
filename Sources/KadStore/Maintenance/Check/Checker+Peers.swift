import Kademlia
import Multiformats

/// Table peer, and what hangs on its rows.
extension Checker {
    /// A page of table peer.
    ///
    /// - Returns: whether there may be more.
    mutating func checkPeers(after last: inout [UInt8]) throws -> Bool {
        let query = try connection.statement(
            """
            SELECT key, id, addresses, first_seen, last_seen, last_ok, not_before, wait_ms, rtt_us, rtt_var_us,
                   successes, days_seen, agent, protocols, source, seal
            FROM peer WHERE key > ?1 ORDER BY key LIMIT ?2
            """)
        defer { query.reset() }
        query.bind(1, last).bind(2, Self.pageRows)
        var rows: Int64 = 0
        while try query.step() {
            rows += 1
            report.peersChecked += 1
            checkSeal(of: .peer, query)
            // The bytes as they are: a key of another width, cut to ours, could lead back to the same page.
            let bytes = query.array(0)
            guard last.lexicographicallyPrecedes(bytes) else {
                report.note("peer", "its keys are not in order: the check ends here")
                return false
            }
            last = bytes
            guard bytes.count == reader.width, let key = Key(bytes: bytes) else {
                report.note("peer", "a key of \(bytes.count) bytes, not \(reader.width)")
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
            """
            SELECT key FROM backoff WHERE class NOT BETWEEN 1 AND ?1
                OR outcome_count NOT BETWEEN 0 AND 32 OR outcomes NOT BETWEEN 0 AND 0xffffffff
            """)
        defer { backoffs.reset() }
        backoffs.bind(1, classes)
        while try backoffs.step() { report.note("backoff", Key(bytes: backoffs.bytes(0)), "values that cannot be") }
    }

    /// What is known of those who are not in the table: candidates and tombstones.
    mutating func checkOthers() throws {
        let candidates = try connection.statement(
            "SELECT address, tries, source FROM candidate")
        defer { candidates.reset() }
        while try candidates.step() {
            if (try? Multiaddr(bytes: candidates.array(0)[...])) == nil {
                report.note("candidate", "its address cannot be read: \(Hex.encode(candidates.array(0).prefix(64)))")
            }
            if candidates.int64(1) < 0 { report.note("candidate", "\(candidates.int64(1)) tries") }
            let source = candidates.optionalInt64(2)
            if try source != nil && reader.strings.name(.source, source) == nil {
                report.note("candidate", "row \(source ?? 0) of table source is missing")
            }
        }
        let tombstones = try connection.statement(
            """
            SELECT key, not_before IS NOT NULL AND wait_ms IS NULL OR ifnull(wait_ms, 0) < 0
                        OR class NOT BETWEEN 1 AND ?1
            FROM tombstone
            """)
        defer { tombstones.reset() }
        tombstones.bind(1, Int64(FailureClass.allCases.map(\.rawValue).max() ?? 0))
        while try tombstones.step() {
            let bytes = tombstones.bytes(0)
            if bytes.count != reader.width {
                report.note("tombstone", "a key of \(bytes.count) bytes, not \(reader.width)")
            } else if tombstones.int64(1) != 0 {
                report.note("tombstone", Key(bytes: bytes), "values that cannot be")
            }
        }
    }
}
