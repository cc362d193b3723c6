import Kademlia

/// Reads what a running node remembers beside its peers. Every read is bounded, whatever a file holds; rows that no version
/// writes are passed over, and named by a check.
extension RecordReader {
    /// The newest held failures, at most as many as are kept, in no order.
    func heldFailures() throws -> [OutageGuard.Held] {
        let query = try connection.statement(
            """
            SELECT key, network_group, class, at, witnessed, count, redialled_at, seal FROM held
            ORDER BY at DESC, key LIMIT ?1
            """)
        defer { query.reset() }
        query.bind(1, Int64(Store.maximumHeldFailures))
        var found: [OutageGuard.Held] = []
        while try query.step() {
            guard query.isSound(.held), let key = try? key(query),
                let failureClass = FailureClass(rawValue: UInt8(clamping: query.int64(2)))
            else { continue }
            found.append(
                OutageGuard.Held(
                    key: key, group: group(query, 1), failureClass: failureClass,
                    at: Instant(milliseconds: query.int64(3)), isWitnessed: query.int64(4) != 0,
                    count: Int(query.int64(5)),
                    redialledAt: query.optionalInt64(6).map(Instant.init(milliseconds:))))
        }
        return found
    }

    /// Whether there is a held failure of a peer, and it is damaged.
    func isHeldDamaged(_ key: Key) throws -> Bool {
        let query = try connection.statement(
            "SELECT key, network_group, class, at, witnessed, count, redialled_at, seal FROM held WHERE key = ?1")
        defer { query.reset() }
        return try query.bind(1, key, width: width).step() && !query.isSound(.held)
    }

    func witnesses() throws -> [OutageGuard.Witness] {
        let query = try connection.statement("SELECT network_group, at, since, spacing_us FROM witness ORDER BY slot")
        defer { query.reset() }
        var found: [OutageGuard.Witness] = []
        while try query.step() {
            found.append(
                OutageGuard.Witness(
                    group: group(query, 0), at: Instant(milliseconds: query.int64(1)),
                    since: Instant(milliseconds: query.int64(2)), spacing: query.int64(3)))
        }
        return found
    }

    func canaryAt() throws -> Instant? {
        let query = try connection.statement("SELECT at FROM canary")
        defer { query.reset() }
        return try query.step() ? Instant(milliseconds: query.int64(0)) : nil
    }

    private func group(_ row: Statement, _ column: Int32) -> NetworkGroup? {
        row.isNull(column) ? nil : NetworkGroup(bytes: row.array(column))
    }

    /// The latest sessions.
    func sessions() throws -> OnlineTime {
        let query = try connection.statement(
            "SELECT started_at, ended_at, seal FROM session ORDER BY started_at DESC LIMIT ?1")
        defer { query.reset() }
        query.bind(1, Int64(OnlineTime.maximumCount))
        var found: [OnlineTime.Session] = []
        while try query.step() {
            guard query.isSound(.session) else { continue }
            found.append(
                OnlineTime.Session(
                    start: Instant(milliseconds: query.int64(0)), end: Instant(milliseconds: query.int64(1))))
        }
        return OnlineTime(found)
    }

    func lookupTotals() throws -> [LookupTotals] {
        let query = try connection.statement(
            """
            SELECT reason, lookups, milliseconds, queries, answers, failures, timeouts, skipped FROM lookup_total
            ORDER BY reason LIMIT 256
            """)
        defer { query.reset() }
        var found: [LookupTotals] = []
        while try query.step() {
            guard let reason = Lookup.FinishReason(rawValue: UInt8(clamping: query.int64(0))) else { continue }
            func count(_ column: Int32) -> Int { Int(query.int64(column)) }
            found.append(
                LookupTotals(
                    reason: reason, lookups: count(1), milliseconds: query.int64(2), queries: count(3),
                    answers: count(4), failures: count(5), timeouts: count(6), skipped: count(7)))
        }
        return found
    }

    /// The latest lookups, oldest first.
    func lookups() throws -> [LookupSummary] {
        let query = try connection.statement(
            """
            SELECT identity, finished_at, reason, milliseconds, queries, answers, failures, timeouts, skipped, slow,
                   refills, hops, offered, entered, distances, peak_frontier
            FROM lookup_summary ORDER BY number DESC LIMIT ?1
            """)
        defer { query.reset() }
        query.bind(1, Int64(LookupSummary.maximumCount))
        var found: [LookupSummary] = []
        while try query.step() {
            guard let reason = Lookup.FinishReason(rawValue: UInt8(clamping: query.int64(2))) else { continue }
            func count(_ column: Int32) -> Int { Int(query.int64(column)) }
            found.append(
                LookupSummary(
                    identity: query.optionalInt64(0), finishedAt: Instant(milliseconds: query.int64(1)), reason: reason,
                    milliseconds: query.int64(3), queries: count(4), answers: count(5), failures: count(6),
                    timeouts: count(7), skipped: count(8), slow: count(9), refills: count(10), hops: count(11),
                    offered: count(12), entered: count(13), distances: count(14), peakFrontier: count(15)))
        }
        return found.reversed()
    }

    /// How many peers there are: one row, but for a file whose count was taken away.
    func peerCount() throws -> Int {
        let query = try connection.statement("SELECT peers FROM tally")
        defer { query.reset() }
        if try query.step() { return Int(query.int64(0)) }
        return Int(try connection.integer("SELECT count(*) FROM peer"))
    }
}
