import Kademlia
import Multiformats

extension RecordReader {
    /// A peer's tombstone; nil also where it is damaged.
    func tombstone(of key: Key) throws -> Tombstone? {
        let query = try tombstoneQuery(key)
        defer { query.reset() }
        return try query.step() ? tombstone(query) : nil
    }

    /// Whether a peer has a tombstone, and it is damaged.
    func isTombstoneDamaged(_ key: Key) throws -> Bool {
        let query = try tombstoneQuery(key)
        defer { query.reset() }
        return try query.step() && !query.isSound(.tombstone)
    }

    private func tombstoneQuery(_ key: Key) throws -> Statement {
        try connection.statement(
            "SELECT key, dropped_at, streak_milli, not_before, wait_ms, class, seal FROM tombstone WHERE key = ?1"
        ).bind(1, key, width: width)
    }

    /// Tombstones in key order, of `limit` rows.
    func tombstones(after last: Key?, limit: Int) throws -> RowPage<Tombstone, Key> {
        let query = try connection.statement(
            """
            SELECT key, dropped_at, streak_milli, not_before, wait_ms, class, seal FROM tombstone
            WHERE key > ?1 ORDER BY key LIMIT ?2
            """)
        defer { query.reset() }
        if let last { query.bind(1, last, width: width) } else { query.bind(1, [UInt8]()) }
        query.bind(2, Int64(limit))
        return try page(query, after: last, limit: limit) { row in
            (tombstone(row), approximateKey(row.bytes(0)))
        }
    }

    /// Reads the rows of a query, and where they end. As among the peers, a page ends with a row that can be believed.
    ///
    /// - Parameter read: the row, unless it is damaged; and where it stands, as far as that can be told.
    private func page<Row, Place: Comparable>(
        _ query: Statement, after last: Place?, limit: Int, _ read: (Statement) throws -> (row: Row?, place: Place?)
    ) throws -> RowPage<Row, Place> {
        var page = RowPage<Row, Place>()
        var end: Place?
        var waiting: [Place] = []
        // Those that have no name are counted with those that wait.
        var waitingCount = 0
        // Of them, up to the last one with a name: what comes after that is on the next page, where there is no row.
        var namedCount = 0
        var count = 0
        func leaveOutWaiting(_ number: Int) {
            page.damaged += waiting
            page.damagedCount += number
            (waiting, waitingCount, namedCount) = ([], 0, 0)
        }
        while try query.step() {
            count += 1
            let (row, place) = try read(query)
            if let row, let place, (end ?? last).map({ $0 < place }) ?? true {
                leaveOutWaiting(waitingCount)
                page.rows.append(row)
                end = place
            } else {
                waitingCount += 1
                if let place {
                    waiting.append(place)
                    namedCount = waitingCount
                }
            }
        }
        if count < limit { leaveOutWaiting(waitingCount) } else if page.rows.isEmpty { leaveOutWaiting(namedCount) }
        guard count == limit else { return page }
        page.end = end ?? page.damaged.max()
        guard let end = page.end, last.map({ $0 < end }) ?? true else {
            throw StoreError.corrupt(path: connection.path, detail: "\(count) rows cannot be read: \(query.sql)")
        }
        return page
    }

    /// - Returns: nil when the row is damaged.
    private func tombstone(_ row: Statement) -> Tombstone? {
        guard row.isSound(.tombstone), let key = try? key(row) else { return nil }
        return Tombstone(
            key: key, droppedAt: Instant(milliseconds: row.int64(1)), streakMilli: row.int64(2),
            lastClass: FailureClass(rawValue: UInt8(clamping: row.int64(5))) ?? .timeout,
            notBefore: row.optionalInt64(3).map(Instant.init(milliseconds:)), waitMilliseconds: row.int64(4))
    }

    /// - Throws: ``StoreError/corrupt(path:detail:)`` when the row is damaged.
    func candidate(at address: Multiaddr) throws -> Candidate? {
        let query = try connection.statement(
            "SELECT address, first_seen, last_seen, last_tried, tries, source, seal FROM candidate WHERE address = ?1")
        defer { query.reset() }
        guard try query.bind(1, address.bytes).step() else { return nil }
        guard let candidate = try candidate(query) else {
            throw StoreError.corrupt(path: connection.path, detail: "candidate \(address) cannot be read")
        }
        return candidate
    }

    /// Candidates in the order of their addresses' bytes, of `limit` rows.
    func candidates(after last: Multiaddr?, limit: Int) throws -> RowPage<Candidate, Multiaddr> {
        let query = try connection.statement(
            """
            SELECT address, first_seen, last_seen, last_tried, tries, source, seal FROM candidate
            WHERE address > ?1 ORDER BY address LIMIT ?2
            """)
        defer { query.reset() }
        if let last { query.bind(1, last.bytes) } else { query.bind(1, [UInt8]()) }
        query.bind(2, Int64(limit))
        return try page(query, after: last, limit: limit) { row in
            (try candidate(row), try? Multiaddr(bytes: row.array(0)[...]))
        }
    }

    /// - Returns: nil when the row is damaged.
    private func candidate(_ row: Statement) throws -> Candidate? {
        guard row.isSound(.candidate), let address = try? Multiaddr(bytes: row.array(0)[...]) else { return nil }
        return Candidate(
            address: address, firstSeen: Instant(milliseconds: row.int64(1)),
            lastSeen: Instant(milliseconds: row.int64(2)),
            lastTried: row.optionalInt64(3).map(Instant.init(milliseconds:)), tries: Int(row.int64(4)),
            source: try strings.name(.source, row.optionalInt64(5)))
    }

    /// The identities by number; damaged ones are left out.
    func identities() throws -> [Identity] {
        let query = try connection.statement(
            "SELECT number, id, key, label, created_at, seal FROM identity ORDER BY number")
        defer { query.reset() }
        var identities: [Identity] = []
        while try query.step() {
            guard query.isSound(.identity), let id = PeerID(query.array(1)), let key = Key(bytes: query.bytes(2)) else {
                continue
            }
            identities.append(
                Identity(
                    number: query.int64(0), peer: Peer(id: id, key: key), label: query.text(3),
                    createdAt: Instant(milliseconds: query.int64(4))))
        }
        return identities
    }

    /// Whether there is an identity of an id, and it is damaged.
    func isIdentityDamaged(_ id: PeerID) throws -> Bool {
        let query = try connection.statement(
            "SELECT number, id, key, label, created_at, seal FROM identity WHERE id = ?1")
        defer { query.reset() }
        return try query.bind(1, id.bytes).step() && !query.isSound(.identity)
    }

    /// The stored buckets of an identity, by prefix, contacts in their order. Damaged rows are left out: of a bucket it is
    /// then not known when it was refreshed, and its contacts speak for themselves; a contact less is no peer less.
    ///
    /// - Complexity: O(members): two range scans; nothing of table peer is read.
    func buckets(of identity: Int64) throws -> [BucketSnapshot] {
        let buckets = try connection.statement(
            "SELECT identity, prefix, refreshed_at, seal FROM bucket WHERE identity = ?1 ORDER BY prefix")
        defer { buckets.reset() }
        buckets.bind(1, identity)
        var snapshots: [Int: BucketSnapshot] = [:]
        while try buckets.step() {
            guard buckets.isSound(.bucket) else { continue }
            let (index, refreshed) = (Int(buckets.int64(1)), buckets.optionalInt64(2))
            snapshots[index] = BucketSnapshot(
                index: index, refreshedAt: refreshed.map(Instant.init(milliseconds:)), live: [], replacements: [])
        }
        let members = try connection.statement(
            """
            SELECT identity, prefix, role, position, key, network_group, first_seen, last_seen, last_ok, verified,
                   failures, seal
            FROM member WHERE identity = ?1 ORDER BY prefix, role, position
            """)
        defer { members.reset() }
        members.bind(1, identity)
        while try members.step() {
            guard members.isSound(.member), let key = try? key(members.bytes(4)) else { continue }
            let group = members.isNull(5) ? nil : NetworkGroup(bytes: members.array(5))
            let contact = Contact(
                key: key, networkGroup: group, firstSeen: Instant(milliseconds: members.int64(6)),
                lastSeen: Instant(milliseconds: members.int64(7)),
                lastOK: members.optionalInt64(8).map(Instant.init(milliseconds:)),
                isVerified: members.int64(9) != 0, consecutiveFailures: Int(members.int64(10)))
            let index = Int(members.int64(1))
            var bucket =
                snapshots.removeValue(forKey: index)
                ?? BucketSnapshot(index: index, refreshedAt: nil, live: [], replacements: [])
            if members.int64(2) == 0 { bucket.live.append(contact) } else { bucket.replacements.append(contact) }
            snapshots[index] = bucket
        }
        return snapshots.values.sorted { $0.index < $1.index }
    }

    /// The mark of time; nil also where it is damaged: the next one takes its place.
    func clock() throws -> ClockMark? {
        let query = try connection.statement(
            "SELECT singleton, high_water, online_ms, boot_id, boot_at, seal FROM clock")
        defer { query.reset() }
        guard try query.step(), query.isSound(.clock) else { return nil }
        return ClockMark(
            highWater: Instant(milliseconds: query.int64(1)), onlineMilliseconds: query.int64(2),
            bootID: query.optionalText(3), bootedAt: query.optionalInt64(4).map(Instant.init(milliseconds:)))
    }
}
