import Kademlia

/// Writes how far a crawl has come, inside the writer's transaction.
extension RecordWriter {
    /// Writes the visits of the crawl that has not ended, in key order; those of another were overtaken by its end.
    func write(visits byKey: [Key: [StoreEvent]]) throws {
        guard !byKey.isEmpty, let crawl = try reader.runningCrawl() else { return }
        var change: [Int64: Int64] = [:]
        for (key, events) in byKey.sorted(by: { $0.key < $1.key }) {
            var latest: (outcome: VisitOutcome, at: Instant)?
            for case .visited(_, let outcome, let at, crawl: crawl.number) in events { latest = (outcome, at) }
            guard let latest else { continue }
            let stored = try connection.statement("SELECT key, outcome, at, seal FROM visit WHERE key = ?1")
            let hasRow = try stored.bind(1, key, width: width).step()
            let (isSound, before) = (!hasRow || stored.isSound(.visit), stored.int64(1))
            stored.reset()
            guard isSound else { continue }
            if hasRow { change[before, default: 0] -= 1 }
            change[latest.outcome.number, default: 0] += 1
            try connection.statement(
                "INSERT OR REPLACE INTO visit (key, outcome, at, seal) VALUES (?1, ?2, ?3, ?4)", sealing: .visit
            )
            .bind(1, key, width: width).bind(2, latest.outcome.number).bind(3, latest.at.milliseconds).run()
        }
        for (outcome, count) in change.sorted(by: { $0.key < $1.key }) where count != 0 {
            try connection.statement(
                """
                INSERT INTO crawl_total (crawl, outcome, peers) VALUES (?1, ?2, max(0, ?3))
                ON CONFLICT (crawl, outcome) DO UPDATE SET peers = max(0, min(peers, 1 << 62) + ?3)
                """
            ).bind(1, crawl.number).bind(2, outcome).bind(3, count).run()
        }
    }

    /// Begins a crawl, under the next number.
    func beginCrawl(at now: Instant) throws -> Crawl {
        let insert = try connection.statement(
            "INSERT INTO crawl (started_at, is_complete) VALUES (?1, 0) RETURNING number")
        _ = try insert.bind(1, now.milliseconds).step()
        let number = insert.int64(0)
        while try insert.step() {}
        insert.reset()
        try connection.statement(
            """
            DELETE FROM crawl WHERE number NOT IN (SELECT number FROM crawl ORDER BY number DESC LIMIT ?1)
            """
        ).bind(1, Int64(Crawl.maximumCount)).run()
        return Crawl(number: number, startedAt: now)
    }

    /// Ends every crawl that has not ended, and forgets whom it visited.
    func endCrawls(isComplete: Bool, at now: Instant) throws {
        try connection.statement(
            "UPDATE crawl SET ended_at = max(?1, started_at), is_complete = ?2 WHERE ended_at IS NULL"
        ).bind(1, now.milliseconds).bind(2, isComplete ? 1 : 0).run()
        // Without a condition SQLite empties the table without looking at its rows.
        try connection.statement("DELETE FROM visit").run()
    }
}
