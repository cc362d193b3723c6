import Kademlia
import Multiformats

/// Writes values and providers, inside the writer's transaction, and keeps count of them.
extension RecordWriter {
    /// What was written and removed by one step.
    typealias Change = Holdings

    /// Writes what queued events make of values and providers, in the order of their keys, and then keeps to the limits.
    func write(_ byKey: [[UInt8]: [StoreEvent]], _ limits: HoldingLimits) throws {
        guard !byKey.isEmpty else { return }
        var change = Change()
        for (key, events) in byKey.sorted(by: { $0.key.lexicographicallyPrecedes($1.key) }) {
            try writeValue(key, events, &change)
            try writeProviders(key, events, limits, &change)
        }
        try add(change)
        for kind in Holdings.Kind.allCases { try cap(kind, limits) }
    }

    private func writeValue(_ key: [UInt8], _ events: [StoreEvent], _ change: inout Change) throws {
        guard events.contains(where: \.isOfValue) else { return }
        let query = try connection.statement(
            "SELECT number, key, received_at, expires_at, is_own, bytes, seal FROM value WHERE key = ?1")
        let hasRow = try query.bind(1, key).step()
        let isSound = !hasRow || query.isSound(.value)
        let (isOwn, bytes) = (hasRow && query.int64(4) != 0, Int64(key.count + query.bytes(5).count))
        let number = query.int64(0)
        query.reset()
        guard let next = events.valueChange(isOwn: isOwn), isSound || next.isOurs else { return }
        if hasRow { change[.value, isOwn: isOwn] += .row(bytes, hasCome: false) }
        switch next {
        case .put(let value):
            try write(
                value,
                number: hasRow ? number : connection.nextNumber(after: "SELECT ifnull(max(number), 0) FROM value"))
            change[.value, isOwn: value.isOwn] += .row(Int64(value.key.count + value.value.count), hasCome: true)
        case .remove:
            guard hasRow else { return }
            try connection.statement("DELETE FROM value WHERE key = ?1").bind(1, key).run()
        }
    }

    /// - Parameter number: of the row that it has, or gets.
    func write(_ value: StoredValue, number: Int64) throws {
        let upsert = try connection.statement(
            """
            INSERT INTO value (number, key, received_at, expires_at, is_own, bytes, seal)
            VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
            ON CONFLICT (key) DO UPDATE SET received_at = ?3, expires_at = ?4, is_own = ?5, bytes = ?6, seal = ?7
            """, sealing: .value)
        upsert.bind(1, number).bind(2, value.key).bind(3, value.receivedAt.milliseconds)
            .bind(4, value.expiresAt.milliseconds).bind(5, value.isOwn ? 1 : 0)
        try value.value.withUnsafeBytes { try upsert.bind(6, borrowing: $0).run() }
    }

    private func writeProviders(
        _ key: [UInt8], _ events: [StoreEvent], _ limits: HoldingLimits, _ change: inout Change
    ) throws {
        guard events.contains(where: { !$0.isOfValue }) else { return }
        let changes = try events.providerChanges { try stored(key, $0)?.isOwn ?? false }
        var cameOrWent: Int64 = 0
        for (peer, next) in changes.sorted(by: { $0.key < $1.key }) {
            let stored = try stored(key, peer)
            if stored?.isSound == false, !next.isOurs { continue }
            if let stored { change[.provider, isOwn: stored.isOwn] += .row(stored.bytes, hasCome: false) }
            switch next {
            case .put(let provider):
                let bytes = try write(provider)
                change[.provider, isOwn: provider.isOwn] += .row(bytes, hasCome: true)
                if stored == nil { cameOrWent += 1 }
            case .remove:
                guard stored != nil else { continue }
                try connection.statement("DELETE FROM provider WHERE key = ?1 AND peer = ?2")
                    .bind(1, key).bind(2, peer, width: width).run()
            }
        }
        if cameOrWent > 0 { try capProviders(of: key, limits, &change) }
    }

    private func stored(_ key: [UInt8], _ peer: Key) throws -> (isSound: Bool, isOwn: Bool, bytes: Int64)? {
        let query = try connection.statement(
            """
            SELECT key, peer, id, addresses, received_at, expires_at, is_own, seal FROM provider
            WHERE key = ?1 AND peer = ?2
            """)
        defer { query.reset() }
        guard try query.bind(1, key).bind(2, peer, width: width).step() else { return nil }
        let bytes = key.count + query.bytes(2).count + query.bytes(3).count
        return (query.isSound(.provider), query.int64(6) != 0, Int64(bytes))
    }

    /// - Returns: the bytes that it counts for.
    @discardableResult
    func write(_ provider: StoredProvider) throws -> Int64 {
        let received = provider.receivedAt
        var records = provider.addresses.map { AddressRecord(address: $0, firstSeen: received, lastSeen: received) }
        if provider.isPlaced, !records.isEmpty { records[0].lastOK = received }
        let base = AddressCodec.Base(firstSeen: received, lastSeen: received, lastOK: received)
        let addresses = AddressCodec.encode(records, base: base) { _ in 0 }
        try connection.statement(
            """
            INSERT INTO provider (key, peer, id, addresses, received_at, expires_at, is_own, seal)
            VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)
            ON CONFLICT (key, peer) DO UPDATE SET
                id = ?3, addresses = ?4, received_at = ?5, expires_at = ?6, is_own = ?7, seal = ?8
            """, sealing: .provider
        )
        .bind(1, provider.key).bind(2, provider.peer.key, width: width).bind(3, provider.peer.id.bytes)
        .bind(4, addresses).bind(5, received.milliseconds).bind(6, provider.expiresAt.milliseconds)
        .bind(7, provider.isOwn ? 1 : 0).run()
        return Int64(provider.key.count + provider.peer.id.bytes.count + addresses.count)
    }

    // MARK: Counts

    func add(_ change: Change) throws {
        for (kind, isOwn) in Holdings.parts {
            let amount = change[kind, isOwn: isOwn]
            guard amount != Holdings.Amount() else { continue }
            // Whatever numbers a damaged file holds, the sums are integers.
            try connection.statement(
                """
                INSERT INTO holding (kind, is_own, count, bytes) VALUES (?1, ?2, max(0, ?3), max(0, ?4))
                ON CONFLICT (kind, is_own) DO UPDATE SET
                    count = max(0, max(0, min(count, 1 << 62)) + ?3),
                    bytes = max(0, max(0, min(bytes, 1 << 62)) + ?4)
                """
            )
            .bind(1, kind.rawValue).bind(2, isOwn ? 1 : 0).bind(3, amount.count).bind(4, amount.bytes).run()
        }
    }

    func replaceHoldings(with holdings: Holdings) throws {
        for (kind, isOwn) in Holdings.parts {
            let amount = holdings[kind, isOwn: isOwn]
            try connection.statement(
                "INSERT OR REPLACE INTO holding (kind, is_own, count, bytes) VALUES (?1, ?2, ?3, ?4)"
            )
            .bind(1, kind.rawValue).bind(2, isOwn ? 1 : 0).bind(3, amount.count).bind(4, amount.bytes).run()
        }
    }
}

extension StoreEvent {
    /// Of the events with a ``valueKey``: whether it is one of the key's value, not of its providers.
    fileprivate var isOfValue: Bool {
        switch self {
        case .valueStored, .valueForgotten: true
        default: false
        }
    }
}
