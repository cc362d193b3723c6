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
        let records = provider.addresses.map { AddressRecord(address: $0, firstSeen: received, lastSeen: received) }
        let base = AddressCodec.Base(firstSeen: received, lastSeen: received)
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

    // MARK: Limits

    /// Keeps the newest providers of a key.
    private func capProviders(of key: [UInt8], _ limits: HoldingLimits, _ change: inout Change) throws {
        let surplus = try connection.statement(
            """
            SELECT peer, length(key) + length(id) + length(addresses) FROM provider
            WHERE key = ?1 AND is_own = 0 ORDER BY received_at DESC, peer LIMIT -1 OFFSET ?2
            """)
        surplus.bind(1, key).bind(2, Int64(limits.keptPerKey))
        var peers: [[UInt8]] = []
        while try surplus.step() {
            peers.append(surplus.array(0))
            change[.provider, isOwn: false] += .row(surplus.int64(1), hasCome: false)
        }
        surplus.reset()
        for peer in peers {
            try connection.statement("DELETE FROM provider WHERE key = ?1 AND peer = ?2").bind(1, key).bind(2, peer)
                .run()
        }
    }

    /// Drops what expires soonest until the rest is within the limits.
    private func cap(_ kind: Holdings.Kind, _ limits: HoldingLimits) throws {
        guard limits.exceeded(kind, by: try reader.holdings()[kind, isOwn: false]) else { return }
        // Nothing goes on the word of a number that a foreign program may have left wrong.
        if !hasCountedHoldings {
            hasCountedHoldings = true
            try replaceHoldings(with: reader.countHoldings())
        }
        while limits.exceeded(kind, by: try reader.holdings()[kind, isOwn: false]) {
            guard
                try removeSoonest(
                    kind, expiringBy: Instant(milliseconds: .max), limit: Self.stepRows,
                    while: {
                        limits.exceeded(kind, by: $0)
                    }) > 0
            else { return }
        }
    }

    /// Rows of one search: few enough that a batch which is one row too large does not drop many.
    private static let stepRows = 64

    /// Removes rows of others in the order of their expiry.
    ///
    /// - Parameters:
    ///   - isTooMuch: asked before each row with what is left; ends the removal.
    /// - Returns: how many went.
    func removeSoonest(
        _ kind: Holdings.Kind, expiringBy end: Instant, limit: Int, while isTooMuch: (Holdings.Amount) -> Bool
    ) throws -> Int {
        let soonest =
            switch kind {
            case .value:
                try connection.statement(
                    """
                    SELECT key, x'', length(key) + length(bytes) FROM value INDEXED BY value_by_expiry
                    WHERE is_own = 0 AND expires_at <= ?1 ORDER BY expires_at, key LIMIT ?2
                    """)
            case .provider:
                try connection.statement(
                    """
                    SELECT key, peer, length(key) + length(id) + length(addresses)
                    FROM provider INDEXED BY provider_by_expiry
                    WHERE is_own = 0 AND expires_at <= ?1 ORDER BY expires_at, key, peer LIMIT ?2
                    """)
            }
        soonest.bind(1, end.milliseconds).bind(2, Int64(limit))
        var left = try reader.holdings()[kind, isOwn: false]
        var change = Change()
        var rows: [(key: [UInt8], peer: [UInt8])] = []
        while isTooMuch(left), try soonest.step() {
            rows.append((soonest.array(0), soonest.array(1)))
            let row = Holdings.Amount.row(soonest.int64(2), hasCome: false)
            change[kind, isOwn: false] += row
            left += row
        }
        soonest.reset()
        for row in rows {
            switch kind {
            case .value: try connection.statement("DELETE FROM value WHERE key = ?1").bind(1, row.key).run()
            case .provider:
                try connection.statement("DELETE FROM provider WHERE key = ?1 AND peer = ?2")
                    .bind(1, row.key).bind(2, row.peer).run()
            }
        }
        try add(change)
        return rows.count
    }

    /// Has what is stamped further ahead than anything may live expire as if it had come at `now`: the clock had been wrong.
    ///
    /// - Returns: how many rows were stamped anew.
    func restampAhead(_ kind: Holdings.Kind, at now: Instant, limit: Int) throws -> Int {
        let ahead =
            switch kind {
            case .value:
                try connection.statement(
                    """
                    SELECT key, x'', received_at, expires_at FROM value INDEXED BY value_by_expiry
                    WHERE is_own = 0 AND expires_at > ?1 ORDER BY expires_at DESC LIMIT ?2
                    """)
            case .provider:
                try connection.statement(
                    """
                    SELECT key, peer, received_at, expires_at FROM provider INDEXED BY provider_by_expiry
                    WHERE is_own = 0 AND expires_at > ?1 ORDER BY expires_at DESC LIMIT ?2
                    """)
            }
        ahead.bind(1, Lifetime.end(from: now).milliseconds).bind(2, Int64(limit))
        var rows: [(key: [UInt8], peer: [UInt8], expires: Instant)] = []
        while try ahead.step() {
            let received = Instant(milliseconds: ahead.int64(2))
            let lifetime = Instant(milliseconds: ahead.int64(3)).millisecondsSince(received)
            let kept = min(max(0, lifetime), Lifetime.maximumMilliseconds)
            rows.append((ahead.array(0), ahead.array(1), now.advanced(byMilliseconds: kept)))
        }
        ahead.reset()
        for row in rows {
            let update =
                switch kind {
                case .value:
                    try connection.statement(
                        "UPDATE value SET received_at = ?1, expires_at = ?2 WHERE key = ?3")
                case .provider:
                    try connection.statement(
                        "UPDATE provider SET received_at = ?1, expires_at = ?2 WHERE key = ?3 AND peer = ?4")
                }
            update.bind(1, now.milliseconds).bind(2, row.expires.milliseconds).bind(3, row.key)
            if kind == .provider { update.bind(4, row.peer) }
            try update.run()
        }
        return rows.count
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
