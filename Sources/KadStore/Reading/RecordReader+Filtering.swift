import Kademlia

/// What filters ask of other tables than the peers', row by row.
extension RecordReader {
    /// When a peer last failed in a way that speaks against it.
    ///
    /// - Complexity: O(log n): one search.
    func lastFailure(of key: Key) throws -> Instant? {
        let query = try connection.statement(
            """
            SELECT max(last_at) FROM failure
            WHERE key = ?1 AND class NOT IN (7, 9, 10, 11) -- FailureClass.countsAgainstPeer
            """)
        defer { query.reset() }
        guard try query.bind(1, key, width: width).step() else { return nil }
        return query.optionalInt64(0).map(Instant.init(milliseconds:))
    }

    /// The state of a peer's circuit breaker.
    ///
    /// - Complexity: O(log n): one search.
    func breaker(of key: Key) throws -> BackoffState.Breaker {
        let query = try connection.statement("SELECT breaker FROM backoff WHERE key = ?1")
        defer { query.reset() }
        guard try query.bind(1, key, width: width).step() else { return .closed }
        guard let breaker = BackoffState.Breaker(rawValue: UInt8(clamping: query.int64(0))) else {
            throw damaged(key, "the backoff")
        }
        return breaker
    }
}
