import CSQLite
import Kademlia
import Multiformats

/// The key index of table peer, as ``NearestWalk`` reads it: two prepared range scans.
///
/// Ids and addresses of kept rows are gathered in one buffer that all results of a page share: two allocations for a
/// page rather than two for each peer.
struct NearestIndex: KeyIndex {
    /// Where a row's id and addresses lie in the buffer. Twelve plain bytes: rows are moved about in the top-k.
    struct Row {
        fileprivate let id: Int32
        fileprivate let addresses: Int32
        fileprivate let end: Int32
    }

    private let view: ReadView
    private let filter: PeerFilter
    private let filters: Bool
    private let hasPending: Bool
    private let width: Int
    /// The open end of a range costs a comparison a row: only walks inside clusters have two ends.
    private let scans: NearestScans
    private var up: Cursor
    private var down: Cursor
    private var heads: (up: Key, down: Key) = (.zero, .zero)
    private var buffer: [UInt8] = []
    private var used = 0

    init(view: ReadView, filter: PeerFilter, count: Int) throws {
        self.view = view
        self.filter = filter
        filters = filter != .all
        hasPending = view.hasPendingPeers
        width = view.reader.width
        scans = try view.reader.nearestScans(filters: filters)
        up = scans.up.cursor
        down = scans.down.cursor
        buffer = [UInt8](repeating: 0, count: min(count, 256) * 96)
    }

    /// Lets go of the statements: they hold the read transaction open.
    func reset() {
        up.reset()
        down.reset()
    }

    mutating func seek(_ direction: WalkDirection, low: Key, high: Key) throws -> Key? {
        // Keys are stored without the bits that the network's have not: of a bound that has some, what is stored would be
        // a key before it.
        guard let low = firstKey(from: low) else { return nil }
        let isOpen = direction == .up ? high == .max : low == .zero
        let scan = scans.scan(direction, isOpen: isOpen)
        if direction == .up { up.reset() } else { down.reset() }
        scan.bind(1, direction == .up ? low : high, width: width)
        if !isOpen { scan.bind(2, direction == .up ? high : low, width: width) }
        if direction == .up { (up, heads.up) = (scan.cursor, low) } else { (down, heads.down) = (scan.cursor, high) }
        return try advance(direction)
    }

    /// The first key of the network's width that is not below `bound`; nil when there is none.
    private func firstKey(from bound: Key) -> Key? {
        let bits = width * 8
        guard bits < Key.bitWidth, bound != bound.lowerBound(prefix: bits) else { return bound }
        return bound.upperBound(prefix: bits).successor
    }

    mutating func advance(_ direction: WalkDirection) throws -> Key? {
        let cursor = direction == .up ? up : down
        let code = cursor.step()
        guard code == SQLITE_ROW else {
            guard code == SQLITE_DONE else { throw scans.up.failure(code) }
            return nil
        }
        let bytes = cursor.bytes(0)
        guard bytes.count == width, let key = Key(bytes: bytes) else { throw disorder }
        // The walk ends because keys come in order and within the range: a damaged or foreign table may break both.
        if direction == .up {
            guard key >= heads.up else { throw disorder }
            heads.up = key
        } else {
            guard key <= heads.down else { throw disorder }
            heads.down = key
        }
        return key
    }

    private var disorder: StoreError {
        .corrupt(path: view.reader.connection.path, detail: "its keys are not in order, or of another width")
    }

    mutating func row(_ direction: WalkDirection) throws -> Row? {
        let cursor = direction == .up ? up : down
        if hasPending || filters {
            let key = direction == .up ? heads.up : heads.down
            if hasPending, view.isPending(key) { return try pendingRow(key) }
            if filters {
                let facts = RowFacts(row: cursor, reader: view.reader, key: key)
                guard try filter.accepts(facts) else { return nil }
            }
        }
        return try keep(id: cursor.bytes(1), addresses: cursor.bytes(2))
    }

    /// Copies into room that is already there: appending twice a row costs more than the copies themselves.
    private mutating func keep(id: UnsafeRawBufferPointer, addresses: UnsafeRawBufferPointer) throws -> Row {
        let start = used
        let split = start + id.count
        guard let end = Int32(exactly: split + addresses.count) else {
            throw StoreError.corrupt(path: view.reader.connection.path, detail: "its rows are too large")
        }
        used = Int(end)
        if used > buffer.count { buffer.append(contentsOf: repeatElement(0, count: max(used, buffer.count))) }
        buffer.withUnsafeMutableBytes { room in
            UnsafeMutableRawBufferPointer(rebasing: room[start..<split]).copyMemory(from: id)
            UnsafeMutableRawBufferPointer(rebasing: room[split..<used]).copyMemory(from: addresses)
        }
        return Row(id: Int32(truncatingIfNeeded: start), addresses: Int32(truncatingIfNeeded: split), end: end)
    }

    /// A peer as its queued events leave it; nil when it is forgotten, the filter rejects it, or its row is damaged.
    mutating func pendingRow(_ key: Key) throws -> Row? {
        let current: PeerRecord?
        do {
            current = try view.record(of: key)
        } catch StoreError.corrupt {
            return nil
        }
        guard let record = current, filter.accepts(record) else { return nil }
        let base = AddressCodec.Base(firstSeen: record.firstSeen, lastSeen: record.lastSeen)
        let blob = AddressCodec.encode(record.addresses, base: base) { _ in 0 }
        return try record.id.bytes.withUnsafeBytes { id in
            try blob.withUnsafeBytes { try keep(id: id, addresses: $0) }
        }
    }

    func mark() -> Int { used }

    mutating func release(to mark: Int) { used = mark }

    /// The kept rows as peers.
    func peers(_ nearest: ClosestPeers<Row>) throws -> [NearestPeer] {
        try nearest.entries.map { entry in
            let key = nearest.target.advanced(by: entry.distance)
            let row = entry.element
            guard let id = PeerID(buffer[Int(row.id)..<Int(row.addresses)]) else {
                throw view.reader.damaged(key, "the id")
            }
            return NearestPeer(
                peer: Peer(id: id, key: key),
                addresses: AddressList(blob: buffer[Int(row.addresses)..<Int(row.end)]))
        }
    }
}

/// What a filter asks of the row under a cursor.
private struct RowFacts: PeerFilter.Facts {
    let row: Cursor
    let reader: RecordReader
    let key: Key

    var lastSeen: Instant { Instant(milliseconds: row.int64(3)) }
    var lastOK: Instant? { row.optionalInt64(4).map(Instant.init(milliseconds:)) }
    var deadline: (notBefore: Instant?, wait: Int64) {
        (row.optionalInt64(5).map(Instant.init(milliseconds:)), row.int64(6))
    }
    var addresses: [Multiaddr] { Array(AddressList(blob: Array(row.bytes(2))[...])) }
    func lastFailure() throws -> Instant? { try reader.lastFailure(of: key) }
    func breaker() throws -> BackoffState.Breaker { try reader.breaker(of: key) }
    func agent() throws -> String? { try reader.strings.name(.agent, row.optionalInt64(7)) }
    func protocols() throws -> [String] {
        try reader.strings.protocols(row.optionalInt64(8))
    }
    func source() throws -> String? { try reader.strings.name(.source, row.optionalInt64(9)) }
}
