import Kademlia
import Multiformats

/// Reads whole records through one connection: a reader's, inside its view, or the writer's, inside its transaction.
final class RecordReader {
    let connection: Connection
    let strings: StringTables
    let network: Network

    private var plainScans: NearestScans?
    private var filteringScans: NearestScans?

    var width: Int { network.keyByteCount }

    init(_ connection: Connection, network: Network) {
        self.connection = connection
        self.network = network
        strings = StringTables(connection)
    }

    /// The scans of a nearest-k.
    func nearestScans(filters: Bool) throws(SQLiteError) -> NearestScans {
        if let known = filters ? filteringScans : plainScans { return known }
        let scans = filters ? try NearestScans(filtering: connection) : try NearestScans(connection)
        if filters { filteringScans = scans } else { plainScans = scans }
        return scans
    }

    /// One peer with all its history.
    ///
    /// - Complexity: O(log n): three searches.
    func record(of key: Key) throws -> PeerRecord? {
        let query = try connection.statement(
            """
            SELECT key, id, addresses, first_seen, last_seen, last_ok, not_before, wait_ms, rtt_us, rtt_var_us,
                   successes, days_seen, agent, protocols, source, seal
            FROM peer WHERE key = ?1
            """)
        defer { query.reset() }
        guard try query.bind(1, key, width: width).step() else { return nil }
        var record = try peer(query)
        let damaged = try complete(from: key, through: key) { _, add in add(&record) }
        if let error = damaged.first?.value { throw error }
        return record
    }

    /// The first key at or after `key`.
    func firstKey(from key: Key) throws -> Key? {
        let query = try connection.statement("SELECT key FROM peer WHERE key >= ?1 ORDER BY key LIMIT 1")
        defer { query.reset() }
        return try query.bind(1, key, width: width).step() ? self.key(query) : nil
    }

    /// A range of table peer.
    struct Page {
        var records: [PeerRecord] = []
        /// Peers whose rows cannot be read.
        var damaged: [Key] = []
        var first: Key?
        var last: Key?
        var rows = 0
    }

    /// Peers in key order, after `last`, at most `limit`, each with all its history.
    func records(after last: Key?, limit: Int) throws -> Page {
        let query = try connection.statement(
            """
            SELECT key, id, addresses, first_seen, last_seen, last_ok, not_before, wait_ms, rtt_us, rtt_var_us,
                   successes, days_seen, agent, protocols, source, seal
            FROM peer WHERE key > ?1 ORDER BY key LIMIT ?2
            """)
        defer { query.reset() }
        if let last { query.bind(1, last, width: width) } else { query.bind(1, [UInt8]()) }
        query.bind(2, Int64(limit))
        var page = Page()
        // A page ends with a row that can be believed: a damaged key would have the next one begin anywhere.
        var waiting: [Key] = []
        while try query.step() {
            page.rows += 1
            do {
                let record = try peer(query)
                if let before = page.last ?? last, record.key <= before { throw damaged(record.key, "the place") }
                page.damaged += waiting
                waiting = []
                page.first = page.first ?? record.key
                page.last = record.key
                page.records.append(record)
            } catch StoreError.corrupt {
                waiting.append(approximateKey(query.bytes(0)))
            }
        }
        if page.rows < limit || page.records.isEmpty { page.damaged += waiting }
        if page.records.isEmpty, page.rows > 0 {
            // Nobody to believe: as far as their keys lead on.
            guard let end = waiting.max(), last.map({ $0 < end }) ?? true else {
                throw StoreError.corrupt(path: connection.path, detail: "\(page.rows) peers cannot be read")
            }
            page.first = waiting.min()
            page.last = end
        }
        guard let first = page.first, let end = page.last else { return page }
        var position = 0
        let damaged = try complete(from: first, through: end) { key, add in
            if position >= page.records.count || page.records[position].key > key { position = 0 }
            while position < page.records.count, page.records[position].key < key { position += 1 }
            guard position < page.records.count, page.records[position].key == key else { return }
            add(&page.records[position])
        }
        if !damaged.isEmpty {
            page.records.removeAll { damaged[$0.key] != nil }
            page.damaged = Set(page.damaged).union(damaged.keys).sorted()
        }
        return page
    }

    /// Hands over the failures and backoffs of a range of keys, each table in key order.
    ///
    /// - Returns: the peers of which some cannot be read, and why.
    private func complete(
        from first: Key, through last: Key, _ body: (Key, (inout PeerRecord) -> Void) -> Void
    ) throws -> [Key: StoreError] {
        var damage: [Key: StoreError] = [:]
        let failures = try connection.statement(
            """
            SELECT key, address, class, count, first_at, last_at, seal FROM failure
            WHERE key BETWEEN ?1 AND ?2 ORDER BY key, address, class
            """)
        defer { failures.reset() }
        failures.bind(1, first, width: width).bind(2, last, width: width)
        var found: [(Key, FailureRecord)] = []
        while try failures.step() {
            let key = try self.key(failures)
            let bytes = failures.array(1)
            let address = bytes.isEmpty ? nil : try? Multiaddr(bytes: bytes[...])
            guard failures.isSound(.failure), bytes.isEmpty || address != nil,
                let failureClass = FailureClass(rawValue: UInt8(clamping: failures.int64(2)))
            else {
                damage[key] = damaged(key, "a failure")
                continue
            }
            let failure = FailureRecord(
                address: address, failureClass: failureClass, count: Int(failures.int64(3)),
                firstAt: Instant(milliseconds: failures.int64(4)), lastAt: Instant(milliseconds: failures.int64(5)))
            found.append((key, failure))
        }
        for (key, failure) in found { body(key) { $0.failures.append(failure) } }

        let backoffs = try connection.statement(
            """
            SELECT key, streak_milli, streak_at, class, outcomes, outcome_count, breaker, openings, opened_at, trials,
                   seal
            FROM backoff WHERE key BETWEEN ?1 AND ?2 ORDER BY key
            """)
        defer { backoffs.reset() }
        backoffs.bind(1, first, width: width).bind(2, last, width: width)
        var states: [(Key, BackoffState)] = []
        while try backoffs.step() {
            let key = try self.key(backoffs)
            if let state = backoff(backoffs) {
                states.append((key, state))
            } else {
                damage[key] = damaged(key, "the backoff")
            }
        }
        for (key, state) in states {
            body(key) { record in
                var state = state
                state.notBefore = record.backoff?.notBefore
                state.waitMilliseconds = record.backoff?.waitMilliseconds ?? 0
                record.backoff = state
            }
        }
        return damage
    }

    private func backoff(_ row: Statement) -> BackoffState? {
        guard row.isSound(.backoff), let failureClass = FailureClass(rawValue: UInt8(clamping: row.int64(3))),
            let breaker = BackoffState.Breaker(rawValue: UInt8(clamping: row.int64(6)))
        else { return nil }
        return BackoffState(
            streakMilli: row.int64(1), streakAt: Instant(milliseconds: row.int64(2)), lastClass: failureClass,
            outcomes: UInt32(truncatingIfNeeded: row.int64(4)), outcomeCount: Int(row.int64(5)), breaker: breaker,
            openings: Int(row.int64(7)), openedAt: row.optionalInt64(8).map(Instant.init(milliseconds:)),
            trials: Int(row.int64(9)))
    }

    /// A row of table peer, without what other tables hold.
    private func peer(_ row: Statement) throws -> PeerRecord {
        let key = try self.key(row)
        guard row.isSound(.peer) else { throw damaged(key, "the row") }
        guard let id = PeerID(row.array(1)) else { throw damaged(key, "the id") }
        var record = PeerRecord(
            peer: Peer(id: id, key: key), firstSeen: Instant(milliseconds: row.int64(3)),
            source: try strings.name(.source, row.optionalInt64(14)))
        record.lastSeen = Instant(milliseconds: row.int64(4))
        record.lastOK = row.optionalInt64(5).map(Instant.init(milliseconds:))
        if let notBefore = row.optionalInt64(6) {
            record.backoff = BackoffState(
                streakMilli: 0, streakAt: record.lastSeen, lastClass: .timeout,
                notBefore: Instant(milliseconds: notBefore), waitMilliseconds: row.int64(7))
        }
        if let smoothed = row.optionalInt64(8) {
            record.rtt = RTTEstimate(smoothed: smoothed, variation: row.int64(9))
        }
        record.successes = Int(row.int64(10))
        record.daysSeen = UInt32(truncatingIfNeeded: row.int64(11))
        record.agent = try strings.name(.agent, row.optionalInt64(12))
        record.protocols = try strings.protocols(row.optionalInt64(13))
        let base = AddressCodec.Base(
            firstSeen: record.firstSeen, lastSeen: record.lastSeen, lastOK: record.lastOK,
            source: row.optionalInt64(14))
        guard let entries = AddressCodec.decode(row.array(2)[...], base: base) else {
            throw damaged(key, "the addresses")
        }
        record.addresses = try entries.map { entry in
            var address = entry.record
            address.source = try strings.name(.source, entry.source)
            return address
        }
        return record
    }

    /// The key in column 0.
    func key(_ row: Statement) throws -> Key {
        try key(row.bytes(0))
    }

    /// The key of stored bytes: as wide as the network's keys, or the file is damaged.
    func key(_ bytes: UnsafeRawBufferPointer) throws -> Key {
        guard bytes.count == width, let key = Key(bytes: bytes) else {
            throw StoreError.corrupt(path: connection.path, detail: "a key of \(bytes.count) bytes, not \(width)")
        }
        return key
    }

    /// What comes closest to a key of bytes that may be anything: a name for a damaged row.
    func approximateKey(_ bytes: UnsafeRawBufferPointer) -> Key {
        Key(bytes: UnsafeRawBufferPointer(rebasing: bytes.prefix(width))) ?? .zero
    }

    func damaged(_ key: Key, _ what: String) -> StoreError {
        .corrupt(path: connection.path, detail: "\(what) of peer \(key.hex(byteCount: width)) cannot be read")
    }
}
