import Kademlia
import Multiformats

extension RecordReader {
    func tombstone(of key: Key) throws -> Tombstone? {
        let query = try connection.statement(
            "SELECT key, dropped_at, streak_milli, not_before, wait_ms, class FROM tombstone WHERE key = ?1")
        defer { query.reset() }
        guard try query.bind(1, key, width: width).step() else { return nil }
        return try tombstone(query)
    }

    /// Tombstones in key order.
    func tombstones(after last: Key?, limit: Int) throws -> [Tombstone] {
        let query = try connection.statement(
            """
            SELECT key, dropped_at, streak_milli, not_before, wait_ms, class FROM tombstone
            WHERE key > ?1 ORDER BY key LIMIT ?2
            """)
        defer { query.reset() }
        if let last { query.bind(1, last, width: width) } else { query.bind(1, [UInt8]()) }
        query.bind(2, Int64(limit))
        var stones: [Tombstone] = []
        while try query.step() { stones.append(try tombstone(query)) }
        return stones
    }

    private func tombstone(_ row: Statement) throws -> Tombstone {
        Tombstone(
            key: try key(row), droppedAt: Instant(milliseconds: row.int64(1)), streakMilli: row.int64(2),
            lastClass: FailureClass(rawValue: UInt8(clamping: row.int64(5))) ?? .timeout,
            notBefore: row.optionalInt64(3).map(Instant.init(milliseconds:)), waitMilliseconds: row.int64(4))
    }

    func candidate(at address: Multiaddr) throws -> Candidate? {
        let query = try connection.statement(
            "SELECT address, first_seen, last_seen, last_tried, tries, source FROM candidate WHERE address = ?1")
        defer { query.reset() }
        guard try query.bind(1, address.bytes).step() else { return nil }
        return try candidate(query)
    }

    /// Candidates in the order of their addresses' bytes.
    func candidates(after last: Multiaddr?, limit: Int) throws -> [Candidate] {
        let query = try connection.statement(
            """
            SELECT address, first_seen, last_seen, last_tried, tries, source FROM candidate
            WHERE address > ?1 ORDER BY address LIMIT ?2
            """)
        defer { query.reset() }
        if let last { query.bind(1, last.bytes) } else { query.bind(1, [UInt8]()) }
        query.bind(2, Int64(limit))
        var found: [Candidate] = []
        while try query.step() { found.append(try candidate(query)) }
        return found
    }

    private func candidate(_ row: Statement) throws -> Candidate {
        guard let address = try? Multiaddr(bytes: row.array(0)[...]) else {
            throw StoreError.corrupt(path: connection.path, detail: "the address of a candidate cannot be read")
        }
        return Candidate(
            address: address, firstSeen: Instant(milliseconds: row.int64(1)),
            lastSeen: Instant(milliseconds: row.int64(2)),
            lastTried: row.optionalInt64(3).map(Instant.init(milliseconds:)), tries: Int(row.int64(4)),
            source: try strings.name(.source, row.optionalInt64(5)))
    }

    func identities() throws -> [Identity] {
        let query = try connection.statement("SELECT number, id, key, label, created_at FROM identity ORDER BY number")
        defer { query.reset() }
        var identities: [Identity] = []
        while try query.step() {
            guard let id = PeerID(query.array(1)), let key = Key(bytes: query.bytes(2)) else {
                throw StoreError.corrupt(path: connection.path, detail: "identity \(query.int64(0)) cannot be read")
            }
            identities.append(
                Identity(
                    number: query.int64(0), peer: Peer(id: id, key: key), label: query.text(3),
                    createdAt: Instant(milliseconds: query.int64(4))))
        }
        return identities
    }

    /// The stored buckets of an identity, by prefix, contacts in their order.
    ///
    /// - Complexity: O(members): two range scans; nothing of table peer is read.
    func buckets(of identity: Int64) throws -> [BucketSnapshot] {
        let buckets = try connection.statement(
            "SELECT prefix, refreshed_at FROM bucket WHERE identity = ?1 ORDER BY prefix")
        defer { buckets.reset() }
        buckets.bind(1, identity)
        var snapshots: [BucketSnapshot] = []
        while try buckets.step() {
            snapshots.append(
                BucketSnapshot(
                    index: Int(buckets.int64(0)),
                    refreshedAt: buckets.optionalInt64(1).map(Instant.init(milliseconds:)), live: [],
                    replacements: []))
        }
        let members = try connection.statement(
            """
            SELECT key, prefix, role, network_group, first_seen, last_seen, last_ok, verified, failures FROM member
            WHERE identity = ?1 ORDER BY prefix, role, position
            """)
        defer { members.reset() }
        members.bind(1, identity)
        var position = 0
        while try members.step() {
            let prefix = Int(members.int64(1))
            while position < snapshots.count, snapshots[position].index < prefix { position += 1 }
            guard position < snapshots.count, snapshots[position].index == prefix else { continue }
            let group = members.isNull(3) ? nil : NetworkGroup(bytes: members.array(3))
            let contact = Contact(
                key: try key(members), networkGroup: group, firstSeen: Instant(milliseconds: members.int64(4)),
                lastSeen: Instant(milliseconds: members.int64(5)),
                lastOK: members.optionalInt64(6).map(Instant.init(milliseconds:)),
                isVerified: members.int64(7) != 0, consecutiveFailures: Int(members.int64(8)))
            if members.int64(2) == 0 {
                snapshots[position].live.append(contact)
            } else {
                snapshots[position].replacements.append(contact)
            }
        }
        return snapshots
    }

    func clock() throws -> ClockMark? {
        let query = try connection.statement("SELECT high_water, online_ms, boot_id, boot_at FROM clock")
        defer { query.reset() }
        guard try query.step() else { return nil }
        return ClockMark(
            highWater: Instant(milliseconds: query.int64(0)), onlineMilliseconds: query.int64(1),
            bootID: query.optionalText(2), bootedAt: query.optionalInt64(3).map(Instant.init(milliseconds:)))
    }
}
