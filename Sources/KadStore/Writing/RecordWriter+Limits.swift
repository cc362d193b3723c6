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
            SELECT peer, length(key) + length(id) + length(addresses), addresses FROM provider
            WHERE key = ?1 AND is_own = 0 ORDER BY received_at DESC, peer
            """)
        var rows: [(peer: [UInt8], bytes: Int64, group: NetworkGroup?)] = []
        all.bind(1, key)
        while try all.step() {
            var entries = AddressCodec.AddressReader(all.array(2)[...])
            let first = entries.next().flatMap { $0.hasAnswered ? try? Multiaddr(bytes: $0.address) : nil }
            rows.append((all.array(0), all.int64(1), first?.networkGroup(private: false)))
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
}
