import Kademlia
import Multiformats

/// Reads how far crawls have come. Rows that no version writes are passed over, and named by a check.
extension RecordReader {
    /// The crawl that has not ended, if there is one.
    func runningCrawl() throws -> Crawl? {
        try crawls(
            connection.statement(
                """
                SELECT number, started_at, ended_at, is_complete FROM crawl
                WHERE ended_at IS NULL ORDER BY number DESC LIMIT ?1
                """), limit: 1
        ).first
    }

    func crawl(_ number: Int64) throws -> Crawl? {
        try crawls(
            connection.statement("SELECT number, started_at, ended_at, is_complete FROM crawl WHERE number = ?1"),
            limit: number
        ).first
    }

    /// The latest crawls, newest first.
    func crawls(limit: Int) throws -> [Crawl] {
        try crawls(
            connection.statement(
                "SELECT number, started_at, ended_at, is_complete FROM crawl ORDER BY number DESC LIMIT ?1"),
            limit: Int64(limit))
    }

    private func crawls(_ query: Statement, limit: Int64) throws -> [Crawl] {
        defer { query.reset() }
        query.bind(1, limit)
        var found: [Crawl] = []
        while try query.step() {
            let number = query.int64(0)
            found.append(
                Crawl(
                    number: number, startedAt: Instant(milliseconds: query.int64(1)),
                    endedAt: query.optionalInt64(2).map(Instant.init(milliseconds:)),
                    isComplete: query.int64(3) != 0, peers: try crawlTotals(number)))
        }
        return found
    }

    private func crawlTotals(_ number: Int64) throws -> [VisitOutcome: Int] {
        let query = try connection.statement("SELECT outcome, peers FROM crawl_total WHERE crawl = ?1 LIMIT 256")
        defer { query.reset() }
        query.bind(1, number)
        var peers: [VisitOutcome: Int] = [:]
        while try query.step() {
            guard let outcome = VisitOutcome(number: query.int64(0)), query.int64(1) > 0 else { continue }
            peers[outcome] = Int(query.int64(1))
        }
        return peers
    }

    /// What the crawl that has not ended found of a peer.
    func visit(of key: Key) throws -> VisitOutcome? {
        let query = try connection.statement("SELECT key, outcome, at, seal FROM visit WHERE key = ?1")
        defer { query.reset() }
        guard try query.bind(1, key, width: width).step() else { return nil }
        // Damaged, or a number that no version writes: the peer was visited all the same.
        return query.isSound(.visit) ? VisitOutcome(number: query.int64(1)) ?? .leftOut : .leftOut
    }

    /// Peers of a range of the table that were not visited.
    struct UnvisitedRows {
        var peers: [NearestPeer] = []
        /// The last key that was read, visited or not; nil when the range was empty.
        var last: Key?
        var rows = 0
    }

    /// Reads `limit` rows of table peer after `last`, and of them those without a visit.
    ///
    /// - Complexity: O(log n + limit): a range scan, and a search among the visits for each row, along the same order.
    func unvisited(after last: Key?, limit: Int) throws -> UnvisitedRows {
        let query = try connection.statement(
            """
            SELECT key, id, addresses, EXISTS (SELECT 1 FROM visit WHERE visit.key = peer.key) FROM peer
            WHERE key > ?1 ORDER BY key LIMIT ?2
            """)
        defer { query.reset() }
        if let last { query.bind(1, last, width: width) } else { query.bind(1, [UInt8]()) }
        query.bind(2, Int64(limit))
        var page = UnvisitedRows()
        while try query.step() {
            page.rows += 1
            let key = try self.key(query)
            page.last = key
            guard query.int64(3) == 0, let id = PeerID(query.array(1)) else { continue }
            let addresses = AddressList(blob: query.array(2)[...])
            page.peers.append(NearestPeer(peer: Peer(id: id, key: key), addresses: addresses))
        }
        return page
    }
}
