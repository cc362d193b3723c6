import Kademlia
import Multiformats

/// Takes away what is too much of values and providers, or has run out, inside the writer's transaction.
extension RecordWriter {
    /// Keeps as many providers of a key as are allowed, by ``ProviderShares``.
    func capProviders(of key: [UInt8], _ limits: HoldingLimits, _ change: inout Change) throws {
        let count = try connection.statement("SELECT count(*) FROM provider WHERE key = ?1 AND is_own = 0")
        let isOver = try count.bind(1, key).step() && count.int64(0) > Int64(limits.keptPerKey)
        count.reset()
        guard isOver else { return }
        let all = try connection.statement(
            """
            SELECT key, peer, id, addresses, received_at, expires_at, is_own, seal FROM provider
            WHERE key = ?1 AND is_own = 0 ORDER BY received_at DESC, peer
            """)
        var rows: [(peer: [UInt8], bytes: Int64, group: NetworkGroup?)] = []
        all.bind(1, key)
        while try all.step() {
            // A damaged row stays for whoever looks for it.
            guard all.isSound(.provider) else { continue }
            var entries = AddressCodec.AddressReader(all.array(3)[...])
            let first = entries.next().flatMap { $0.hasAnswered ? try? Multiaddr(bytes: $0.address) : nil }
            rows.append((all.array(1), Self.size(all, .provider), first?.networkGroup(private: false)))
        }
        all.reset()
        for place in ProviderShares.surplus(rows.map(\.group), limit: limits.keptPerKey) {
            change[.provider, isOwn: false] += .row(rows[place].bytes, hasCome: false)
            try connection.statement("DELETE FROM provider WHERE key = ?1 AND peer = ?2")
                .bind(1, key).bind(2, rows[place].peer).run()
        }
    }

    /// Drops what expires soonest until the rest is within the limits.
    func cap(_ kind: Holdings.Kind, _ limits: HoldingLimits) throws {
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

    /// The bytes that a row counts for, read whole.
    private static func size(_ row: Statement, _ kind: Holdings.Kind) -> Int64 {
        switch kind {
        case .value: Int64(row.bytes(1).count + row.bytes(5).count)
        case .provider: Int64(row.bytes(0).count + row.bytes(2).count + row.bytes(3).count)
        }
    }

    /// Removes rows of others in the order of their expiry. Damaged rows stay: what they say of their expiry, and of whose
    /// they are, may be what is wrong.
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
                    SELECT number, key, received_at, expires_at, is_own, bytes, seal FROM value INDEXED BY value_by_expiry
                    WHERE is_own = 0 AND expires_at <= ?1 ORDER BY expires_at, key
                    """)
            case .provider:
                try connection.statement(
                    """
                    SELECT key, peer, id, addresses, received_at, expires_at, is_own, seal
                    FROM provider INDEXED BY provider_by_expiry
                    WHERE is_own = 0 AND expires_at <= ?1 ORDER BY expires_at, key, peer
                    """)
            }
        soonest.bind(1, end.milliseconds)
        var left = try reader.holdings()[kind, isOwn: false]
        var change = Change()
        var rows: [(key: [UInt8], peer: [UInt8])] = []
        while rows.count < limit, isTooMuch(left), try soonest.step() {
            switch kind {
            case .value where soonest.isSound(.value): rows.append((soonest.array(1), []))
            case .provider where soonest.isSound(.provider): rows.append((soonest.array(0), soonest.array(1)))
            default: continue
            }
            let row = Holdings.Amount.row(Self.size(soonest, kind), hasCome: false)
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
    /// Damaged rows stay as they are: it may have been anything.
    ///
    /// - Returns: how many rows were stamped anew.
    func restampAhead(_ kind: Holdings.Kind, at now: Instant, limit: Int) throws -> Int {
        let end = Lifetime.end(from: now)
        switch kind {
        case .value:
            let ahead = try reader.values(expiringAfter: end, limit: limit)
            for number in ahead {
                guard let value = try reader.value(numbered: number) else { continue }
                try write(value.restamped(at: now), number: number)
            }
            return ahead.count
        case .provider:
            let ahead = try reader.providers(expiringAfter: end, limit: limit)
            for provider in ahead { try write(provider.restamped(at: now)) }
            return ahead.count
        }
    }
}

extension Expiring {
    /// The same, as if it had come at `now`: for as long as it was to live, or as anything may.
    fileprivate func restamped(at now: Instant) -> Self {
        var row = self
        let lifetime = expiresAt.millisecondsSince(receivedAt)
        row.receivedAt = now
        row.expiresAt = now.advanced(byMilliseconds: min(max(0, lifetime), Lifetime.maximumMilliseconds))
        return row
    }
}
