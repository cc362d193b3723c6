import Kademlia
import Multiformats

/// Reads values and providers. Every read is bounded, whatever a file holds; rows that no version writes are passed over,
/// and named by a check.
extension RecordReader {
    func value(of key: [UInt8]) throws -> StoredValue? {
        let query = try connection.statement(
            "SELECT key, received_at, expires_at, is_own, bytes FROM value WHERE key = ?1")
        defer { query.reset() }
        return try query.bind(1, key).step() ? value(query) : nil
    }

    private func value(_ row: Statement) -> StoredValue? {
        let key = row.array(0)
        let bytes = row.bytes(4)
        guard (1...StoredValue.maximumKeyBytes).contains(key.count), bytes.count <= StoredValue.maximumValueBytes else {
            return nil
        }
        return StoredValue(
            key: key, value: Array(bytes), receivedAt: Instant(milliseconds: row.int64(1)),
            expiresAt: Instant(milliseconds: row.int64(2)), isOwn: row.int64(3) != 0)
    }

    /// Providers of a key, in no order, at most `limit` of others, the newest; and our own.
    func providers(of key: [UInt8], limit: Int) throws -> [StoredProvider] {
        let query = try connection.statement(
            """
            SELECT key, peer, id, addresses, received_at, expires_at, is_own FROM provider
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

    private func provider(_ row: Statement) -> StoredProvider? {
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

    /// Some rows of our own, and where they end if there may be more.
    struct OwnPage<Row, Place> {
        var rows: [Row] = []
        var end: Place?
    }

    /// Values of our own in the order of their keys, after `last`, at most `limit`, and no more than about 8 MiB.
    func ownValues(after last: [UInt8]?, limit: Int) throws -> OwnPage<StoredValue, [UInt8]> {
        let query = try connection.statement(
            """
            SELECT key, received_at, expires_at, is_own, bytes FROM value INDEXED BY value_own
            WHERE is_own = 1 AND key > ?1 ORDER BY key LIMIT ?2
            """)
        defer { query.reset() }
        query.bind(1, last ?? []).bind(2, Int64(limit))
        var page = OwnPage<StoredValue, [UInt8]>()
        var (rows, bytes) = (0, 0)
        while try query.step() {
            rows += 1
            if let value = value(query) {
                page.rows.append(value)
                bytes += value.value.count
            }
            guard rows == limit || bytes >= Self.pageBytes else { continue }
            page.end = query.array(0)
            break
        }
        return page
    }

    private static let pageBytes = 8 << 20

    /// What this node itself provides, in the order of keys and providers.
    func ownProviders(after last: ProviderPlace?, limit: Int) throws -> OwnPage<StoredProvider, ProviderPlace> {
        let query = try connection.statement(
            """
            SELECT key, peer, id, addresses, received_at, expires_at, is_own FROM provider INDEXED BY provider_own
            WHERE is_own = 1 AND (key, peer) > (?1, ?2) ORDER BY key, peer LIMIT ?3
            """)
        defer { query.reset() }
        query.bind(1, last?.key ?? [])
        if let last { query.bind(2, last.peer, width: width) } else { query.bind(2, [UInt8]()) }
        query.bind(3, Int64(limit))
        var page = OwnPage<StoredProvider, ProviderPlace>()
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
