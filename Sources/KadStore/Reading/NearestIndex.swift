import Kademlia
import Multiformats

/// The key index of table peer, as ``NearestWalk`` reads it: two prepared range scans.
///
/// Ids and addresses of kept rows are gathered in one buffer that all results of a page share: two allocations for a
/// page rather than two for each peer.
struct NearestIndex: KeyIndex {
    enum Row {
        /// Where the id and the addresses lie in the buffer.
        case stored(id: Int, addresses: Int, end: Int)
        /// A peer with queued events.
        case current(PeerRecord)
    }

    private let view: ReadView
    private let filter: PeerFilter
    private let up: Statement
    private let down: Statement
    private let width: Int
    private var heads: (up: Key, down: Key) = (.zero, .zero)
    private var buffer: [UInt8] = []

    init(view: ReadView, filter: PeerFilter, count: Int) throws {
        self.view = view
        self.filter = filter
        width = view.reader.width
        let connection = view.reader.connection
        if filter == .all {
            up = try connection.statement(
                "SELECT key, id, addresses FROM peer WHERE key BETWEEN ?1 AND ?2 ORDER BY key")
            down = try connection.statement(
                "SELECT key, id, addresses FROM peer WHERE key BETWEEN ?1 AND ?2 ORDER BY key DESC")
        } else {
            up = try connection.statement(
                """
                SELECT key, id, addresses, last_seen, last_ok, not_before, wait_ms, agent, protocols, source
                FROM peer WHERE key BETWEEN ?1 AND ?2 ORDER BY key
                """)
            down = try connection.statement(
                """
                SELECT key, id, addresses, last_seen, last_ok, not_before, wait_ms, agent, protocols, source
                FROM peer WHERE key BETWEEN ?1 AND ?2 ORDER BY key DESC
                """)
        }
        buffer.reserveCapacity(min(count, 256) * 96)
    }

    /// Lets go of the statements: they hold the read transaction open.
    func reset() {
        up.reset()
        down.reset()
    }

    mutating func seek(_ direction: WalkDirection, low: Key, high: Key) throws -> Key? {
        let cursor = direction == .up ? up : down
        cursor.reset()
        cursor.bind(1, low, width: width).bind(2, high, width: width)
        return try advance(direction)
    }

    mutating func advance(_ direction: WalkDirection) throws -> Key? {
        let cursor = direction == .up ? up : down
        guard try cursor.step() else { return nil }
        let key = try view.reader.key(cursor)
        if direction == .up { heads.up = key } else { heads.down = key }
        return key
    }

    mutating func row(_ direction: WalkDirection) throws -> Row? {
        let cursor = direction == .up ? up : down
        if view.hasPendingPeers {
            let key = direction == .up ? heads.up : heads.down
            if view.isPending(key) { return try pendingRow(key) }
        }
        if filter != .all {
            let facts = RowFacts(row: cursor, reader: view.reader, key: direction == .up ? heads.up : heads.down)
            guard try filter.accepts(facts) else { return nil }
        }
        let id = buffer.count
        buffer.append(contentsOf: cursor.bytes(1))
        let addresses = buffer.count
        buffer.append(contentsOf: cursor.bytes(2))
        return .stored(id: id, addresses: addresses, end: buffer.count)
    }

    /// A peer as its queued events leave it; nil when it is forgotten or the filter rejects it.
    func pendingRow(_ key: Key) throws -> Row? {
        guard let record = try view.record(of: key), filter.accepts(record) else { return nil }
        return .current(record)
    }

    func mark() -> Int { buffer.count }

    mutating func release(to mark: Int) { buffer.removeLast(buffer.count - min(mark, buffer.count)) }

    /// The kept rows as peers.
    func peers(_ nearest: ClosestPeers<Row>) throws -> [NearestPeer] {
        try nearest.entries.map { entry in
            let key = nearest.target.advanced(by: entry.distance)
            switch entry.element {
            case .current(let record):
                let blob = AddressCodec.encode(
                    record.addresses, base: AddressCodec.Base(firstSeen: record.firstSeen, lastSeen: record.lastSeen)
                ) { _ in 0 }
                return NearestPeer(peer: record.peer, addresses: AddressList(blob: blob[...]))
            case .stored(let id, let addresses, let end):
                guard let peerID = PeerID(buffer[id..<addresses]) else { throw view.reader.damaged(key, "the id") }
                return NearestPeer(
                    peer: Peer(id: peerID, key: key), addresses: AddressList(blob: buffer[addresses..<end]))
            }
        }
    }
}

/// What a filter asks of the row under a cursor.
private struct RowFacts: PeerFilter.Facts {
    let row: Statement
    let reader: RecordReader
    let key: Key

    var lastSeen: Instant { Instant(milliseconds: row.int64(3)) }
    var lastOK: Instant? { row.optionalInt64(4).map(Instant.init(milliseconds:)) }
    var deadline: (notBefore: Instant?, wait: Int64) {
        (row.optionalInt64(5).map(Instant.init(milliseconds:)), row.int64(6))
    }
    var addresses: [Multiaddr] { Array(AddressList(blob: row.array(2)[...])) }
    func agent() throws -> String? { try reader.strings.name(.agent, row.optionalInt64(7)) }
    func protocols() throws -> [String] {
        StringTables.split(try reader.strings.name(.protocolSet, row.optionalInt64(8)))
    }
    func source() throws -> String? { try reader.strings.name(.source, row.optionalInt64(9)) }
}
