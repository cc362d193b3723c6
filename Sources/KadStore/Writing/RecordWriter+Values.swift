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
        let query = try connection.statement("SELECT is_own, length(key) + length(bytes) FROM value WHERE key = ?1")
        let hasRow = try query.bind(1, key).step()
        let (isOwn, bytes) = (hasRow && query.int64(0) != 0, hasRow ? query.int64(1) : 0)
        query.reset()
        guard let next = events.valueChange(isOwn: isOwn) else { return }
        if hasRow { change[.value, isOwn: isOwn] += .row(bytes, hasCome: false) }
        switch next {
        case .put(let value):
            try write(value)
            change[.value, isOwn: value.isOwn] += .row(Int64(value.key.count + value.value.count), hasCome: true)
        case .remove:
            guard hasRow else { return }
            try connection.statement("DELETE FROM value WHERE key = ?1").bind(1, key).run()
        }
    }

    private func write(_ value: StoredValue) throws {
        let upsert = try connection.statement(
            """
            INSERT INTO value (key, received_at, expires_at, is_own, bytes) VALUES (?1, ?2, ?3, ?4, ?5)
            ON CONFLICT (key) DO UPDATE SET received_at = ?2, expires_at = ?3, is_own = ?4, bytes = ?5
            """)
        upsert.bind(1, value.key).bind(2, value.receivedAt.milliseconds).bind(3, value.expiresAt.milliseconds)
            .bind(4, value.isOwn ? 1 : 0)
        try value.value.withUnsafeBytes { try upsert.bind(5, borrowing: $0).run() }
    }

    private func writeProviders(
        _ key: [UInt8], _ events: [StoreEvent], _ limits: HoldingLimits, _ change: inout Change
    ) throws {
        guard events.contains(where: { !$0.isOfValue }) else { return }
        let changes = try events.providerChanges { try size(key, $0)?.isOwn ?? false }
        var cameOrWent: Int64 = 0
        for (peer, next) in changes.sorted(by: { $0.key < $1.key }) {
            let stored = try size(key, peer)
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

    private func size(_ key: [UInt8], _ peer: Key) throws -> (isOwn: Bool, bytes: Int64)? {
        let query = try connection.statement(
            """
            SELECT is_own, length(key) + length(id) + length(addresses) FROM provider WHERE key = ?1 AND peer = ?2
            """)
        defer { query.reset() }
        guard try query.bind(1, key).bind(2, peer, width: width).step() else { return nil }
        return (query.int64(0) != 0, query.int64(1))
    }

    /// - Returns: the bytes that it counts for.
    private func write(_ provider: StoredProvider) throws -> Int64 {
        let received = provider.receivedAt
        var records = provider.addresses.map { AddressRecord(address: $0, firstSeen: received, lastSeen: received) }
        if provider.isPlaced, !records.isEmpty { records[0].lastOK = received }
        let base = AddressCodec.Base(firstSeen: received, lastSeen: received, lastOK: received)
        let addresses = AddressCodec.encode(records, base: base) { _ in 0 }
        try connection.statement(
            """
            INSERT INTO provider (key, peer, id, addresses, received_at, expires_at, is_own)
            VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
            ON CONFLICT (key, peer) DO UPDATE SET id = ?3, addresses = ?4, received_at = ?5, expires_at = ?6, is_own = ?7
            """
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
