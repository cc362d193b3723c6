import Kademlia

/// What a sweep of values and providers did.
public struct SweepReport: Hashable, Sendable {
    /// Values and providers that had expired, and are gone.
    public internal(set) var values = 0
    public internal(set) var providers = 0
    /// Rows that were stamped further ahead than anything may live, and now expire as if they had just come.
    public internal(set) var restamped = 0

    public var removed: Int { values + providers }
}

extension Store {
    /// Drops values and providers of others that have expired, in short transactions: others write in between. Reads never
    /// return them, swept or not; this gives their room back. What is stamped more than seven days ahead, because a clock
    /// was, is stamped anew.
    ///
    /// - Parameter now: logical time. Call it only while ages may be trusted (``ClockGuard/mayExpire``).
    /// - Throws: ``StoreError/interrupted(done:)`` when the task is cancelled: what went is gone.
    /// - Complexity: O(e log n) for e rows that have expired: found by an index, and when there are none nothing is written.
    @discardableResult
    public func sweepValues(at now: Instant) async throws(StoreError) -> SweepReport {
        guard let writer else { throw .readOnly(path: path) }
        try await commit()
        var report = SweepReport()
        while true {
            if Task.isCancelled { throw .interrupted(done: report.removed) }
            let before = report
            report = try await writer.perform { try $0.sweep(at: now, before) }
            if report == before { return report }
        }
    }
}

extension Writer {
    /// Rows of one transaction: some 10 ms in which other writers wait.
    private static let sweepRows = 1_024

    /// One step further; nothing changes when there is nothing left to do.
    func sweep(at now: Instant, _ report: SweepReport) throws -> SweepReport {
        guard try records().reader.needsSweep(at: now) else { return report }
        return try transaction { records in
            var report = report
            report.values += try records.removeSoonest(
                .value, expiringBy: now, limit: Self.sweepRows, while: { _ in true })
            report.providers += try records.removeSoonest(
                .provider, expiringBy: now, limit: Self.sweepRows, while: { _ in true })
            for kind in Holdings.Kind.allCases {
                report.restamped += try records.restampAhead(kind, at: now, limit: Self.sweepRows)
            }
            return report
        }
    }
}

extension RecordReader {
    /// Whether something of others has expired, or is stamped too far ahead.
    func needsSweep(at now: Instant) throws -> Bool {
        let query = try connection.statement(
            """
            SELECT EXISTS (SELECT 1 FROM value INDEXED BY value_by_expiry WHERE is_own = 0 AND expires_at <= ?1)
                OR EXISTS (SELECT 1 FROM provider INDEXED BY provider_by_expiry WHERE is_own = 0 AND expires_at <= ?1)
                OR EXISTS (SELECT 1 FROM value INDEXED BY value_by_expiry WHERE is_own = 0 AND expires_at > ?2)
                OR EXISTS (SELECT 1 FROM provider INDEXED BY provider_by_expiry WHERE is_own = 0 AND expires_at > ?2)
            """)
        defer { query.reset() }
        query.bind(1, now.milliseconds).bind(2, Lifetime.end(from: now).milliseconds)
        return try query.step() && query.int64(0) != 0
    }

    /// How much of others has expired.
    func countExpired(by end: Instant) throws -> SweepReport {
        let query = try connection.statement(
            """
            SELECT (SELECT count(*) FROM value INDEXED BY value_by_expiry WHERE is_own = 0 AND expires_at <= ?1),
                   (SELECT count(*) FROM provider INDEXED BY provider_by_expiry WHERE is_own = 0 AND expires_at <= ?1)
            """)
        defer { query.reset() }
        var report = SweepReport()
        if try query.bind(1, end.milliseconds).step() {
            report.values = Int(query.int64(0))
            report.providers = Int(query.int64(1))
        }
        return report
    }
}
