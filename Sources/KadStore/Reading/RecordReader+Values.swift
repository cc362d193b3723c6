import Kademlia
import Multiformats

/// Reads values and providers. Every read is bounded, whatever a file holds; rows that no version writes are passed over,
/// and named by a check.
extension RecordReader {
    func value(of key: [UInt8]) throws -> StoredValue? {
        let query = try connection.statement(
            "SELECT number, key, received_at, expires_at, is_own, bytes, seal FROM value WHERE key = ?1")
        defer { query.reset() }
        return try query.bind(1, key).step() ? value(query) : nil
    }

    func value(numbered number: Int64) throws -> StoredValue? {
        let query = try connection.statement(
            "SELECT number, key, received_at, expires_at, is_own, bytes, seal FROM value WHERE number = ?1")
        defer { query.reset() }
        return try query.bind(1, number).step() ? value(query) : nil
    }

    /// - Returns: nil when the row is damaged.
    private func value(_ row: Statement) -> StoredValue? {
        guard row.isSound(.value) else { return nil }
        let key = row.array(1)
        let bytes = row.bytes(5)
        guard (1...StoredValue.maximumKeyBytes).contains(key.count), bytes.count <= StoredValue.maximumValueBytes else {
            return nil
        }
        return StoredValue(
            key: key, value: Array(bytes), receivedAt: Instant(milliseconds: row.int64(2)),
            expiresAt: Instant(milliseconds: row.int64(3)), isOwn: row.int64(4) != 0)
    }

    /// The numbers of others' values that expire later, latest first, without those that cannot be read.
    func values(expiringAfter end: Instant, limit: Int) throws -> [Int64] {
        let query = try connection.statement(
            """
            SELECT number, key, received_at, expires_at, is_own, bytes, seal FROM value INDEXED BY value_by_expiry
            WHERE is_own = 0 AND expires_at > ?1 ORDER BY expires_at DESC
            """)
        defer { query.reset() }
        query.bind(1, end.milliseconds)
        var found: [Int64] = []
        while found.count < limit, try query.step() { if value(query) != nil { found.append(query.int64(0)) } }
        return found
    }

    /// Others' providers that expire later, likewise.
    func providers(expiringAfter end: Instant, limit: Int) throws -> [StoredProvider] {
        let query = try connection.statement(
            """
            SELECT key, peer, id, addresses, received_at, expires_at, is_own, seal
            FROM provider INDEXED BY provider_by_expiry WHERE is_own = 0 AND expires_at > ?1 ORDER BY expires_at DESC
            """)
        defer { query.reset() }
        query.bind(1, end.milliseconds)
        var found: [StoredProvider] = []
        while found.count < limit, try query.step() { if let provider = provider(query) { found.append(provider) } }
        return found
    }

    /// Providers of a key, in no order, at most `limit` of others, the newest; and our own.
    func providers(of key: [UInt8], limit: Int) throws -> [StoredProvider] {
        let query = try connection.statement(
            """
            SELECT key, peer, id, addresses, received_at, expires_at, is_own, seal FROM provider
            WHERE key = ?1 ORDER BY is_own DESC, received_at DESC, peer LIMIT ?2
            """)
        defer { query.reset() }
        query.bind(1, key).bind(2, Int64(limit))
        var found: [StoredProvider] = []
        while try query.step() {
            if let provider = provider(query) { found.append(provider) }
        }
        return found
    }

    /// - Returns: nil when the row is damaged.
    private func provider(_ row: Statement) -> StoredProvider? {
        guard row.isSound(.provider) else { return nil }
        let key = row.array(0)
        let received = Instant(milliseconds: row.int64(4))
        guard (1...StoredValue.maximumKeyBytes).contains(key.count), let peerKey = try? self.key(row.bytes(1)),
            let id = PeerID(row.array(2)), let (addresses, isPlaced) = Self.addresses(row.array(3), at: received)
        else { return nil }
        return StoredProvider(
            key: key, peer: Peer(id: id, key: peerKey), addresses: addresses, isPlaced: isPlaced, receivedAt: received,
            expiresAt: Instant(milliseconds: row.int64(5)), isOwn: row.int64(6) != 0)
    }

    /// - Returns: the addresses, and whether the announcement came from the network of the first; nil when the blob is damaged.
    static func addresses(_ blob: [UInt8], at received: Instant) -> ([Multiaddr], isPlaced: Bool)? {
        let base = AddressCodec.Base(firstSeen: received, lastSeen: received, lastOK: received)
        guard let entries = AddressCodec.decode(blob[...], base: base) else { return nil }
        return (entries.map(\.record.address), isPlaced: entries.first?.record.lastOK != nil)
    }

    /// Some rows of a table, and where they end if there may be more.
    struct RowPage<Row, Place> {
        var rows: [Row] = []
        /// Rows that are damaged, and left out, as far as they have a name.
        var damaged: [Place] = []
        /// All of them.
        var damagedCount = 0
        var end: Place?
    }

    /// Whether there is a value of a key, and it is damaged.
    func isValueDamaged(_ key: [UInt8]) throws -> Bool {
        let query = try connection.statement(
            "SELECT number, key, received_at, expires_at, is_own, bytes, seal FROM value WHERE key = ?1")
        defer { query.reset() }
        return try query.bind(1, key).step() && !query.isSound(.value)
    }

    /// Whether there is such a provider of a key, and it is damaged.
    func isProviderDamaged(_ key: [UInt8], _ peer: Key) throws -> Bool {
        let query = try connection.statement(
            """
            SELECT key, peer, id, addresses, received_at, expires_at, is_own, seal FROM provider
            WHERE key = ?1 AND peer = ?2
            """)
        defer { query.reset() }
        return try query.bind(1, key).bind(2, peer, width: width).step() && !query.isSound(.provider)
    }

    /// Values of our own in the order of their keys, after `last`, at most `limit`, and no more than about 8 MiB.
    func ownValues(after last: [UInt8]?, limit: Int) throws -> RowPage<StoredValue, [UInt8]> {
        let query = try connection.statement(
            """
            SELECT number, key, received_at, expires_at, is_own, bytes, seal FROM value INDEXED BY value_own
            WHERE is_own = 1 AND key > ?1 ORDER BY key LIMIT ?2
            """)
        defer { query.reset() }
        query.bind(1, last ?? []).bind(2, Int64(limit))
        var page = RowPage<StoredValue, [UInt8]>()
        var (rows, bytes) = (0, 0)
        while try query.step() {
            rows += 1
            if let value = value(query) {
                page.rows.append(value)
                bytes += value.value.count
            }
            guard rows == limit || bytes >= Self.pageBytes else { continue }
            page.end = query.array(1)
            break
        }
        return page
    }

    private static let pageBytes = 8 << 20

    /// What this node itself provides, in the order of keys and providers.
    func ownProviders(after last: ProviderPlace?, limit: Int) throws -> RowPage<StoredProvider, ProviderPlace> {
        let query = try connection.statement(
            """
            SELECT key, peer, id, addresses, received_at, expires_at, is_own, seal FROM provider INDEXED BY provider_own
            WHERE is_own = 1 AND (key, peer) > (?1, ?2) ORDER BY key, peer LIMIT ?3
            """)
        defer { query.reset() }
        query.bind(1, last?.key ?? [])
        if let last { query.bind(2, last.peer, width: width) } else { query.bind(2, [UInt8]()) }
        query.bind(3, Int64(limit))
        var page = RowPage<StoredProvider, ProviderPlace>()
        var rows = 0
        while try query.step() {
            rows += 1
            if let provider = provider(query) { page.rows.append(provider) }
            if rows == limit { page.end = ProviderPlace(key: query.array(0), peer: try key(query.bytes(1))) }
        }
        return page
    }

    /// How much is kept, as of the last commit.
    func holdings() throws -> Holdings {
        let query = try connection.statement("SELECT kind, is_own, count, bytes FROM holding")
        defer { query.reset() }
        var holdings = Holdings()
        while try query.step() {
            guard let kind = Holdings.Kind(rawValue: query.int64(0)) else { continue }
            holdings[kind, isOwn: query.int64(1) != 0] = Holdings.Amount(count: query.int64(2), bytes: query.int64(3))
        }
        return holdings
    }

    /// The same, by counting.
    ///
    /// - Complexity: O(n), without reading the values themselves.
    func countHoldings() throws -> Holdings {
        let query = try connection.statement(
            """
            SELECT 1, is_own, count(*), ifnull(sum(length(key) + length(bytes)), 0) FROM value GROUP BY is_own
            UNION ALL
            SELECT 2, is_own, count(*), ifnull(sum(length(key) + length(id) + length(addresses)), 0)
            FROM provider GROUP BY is_own
            """)
        defer { query.reset() }
        var holdings = Holdings()
        while try query.step() {
            guard let kind = Holdings.Kind(rawValue: query.int64(0)) else { continue }
            holdings[kind, isOwn: query.int64(1) != 0] = Holdings.Amount(count: query.int64(2), bytes: query.int64(3))
        }
        return holdings
    }
}
