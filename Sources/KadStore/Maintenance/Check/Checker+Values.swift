import Kademlia
import Multiformats

/// Values, providers and crawls.
extension Checker {
    mutating func checkValues() throws {
        let values = try connection.statement("SELECT number, length(key), length(bytes) FROM value")
        defer { values.reset() }
        while try values.step() {
            // Never the key itself: what is published is one's own business.
            if !(1...Int64(StoredValue.maximumKeyBytes)).contains(values.int64(1)) {
                report.note("value", "row \(values.int64(0)): a key of \(values.int64(1)) bytes")
            }
            if values.int64(2) > Int64(StoredValue.maximumValueBytes) {
                report.note("value", "row \(values.int64(0)): \(values.int64(2)) bytes")
            }
        }
        try checkProviders()
        try checkHoldings()
    }

    /// In pages, as table peer: it may have a million rows, and a long read keeps the log from being emptied.
    private mutating func checkProviders() throws {
        var last: (key: [UInt8], peer: [UInt8]) = ([], [])
        while try checkProviders(after: &last) {}
    }

    /// - Returns: whether there may be more.
    private mutating func checkProviders(after last: inout (key: [UInt8], peer: [UInt8])) throws -> Bool {
        let page = try connection.statement(
            """
            SELECT key, peer, id, addresses FROM provider WHERE (key, peer) > (?1, ?2) ORDER BY key, peer LIMIT ?3
            """)
        defer { page.reset() }
        page.bind(1, last.key).bind(2, last.peer).bind(3, Self.pageRows)
        var rows: Int64 = 0
        while try page.step() {
            rows += 1
            last = (page.array(0), page.array(1))
            checkProvider(page, keyBytes: last.key.count)
        }
        return rows == Self.pageRows
    }

    private mutating func checkProvider(_ row: Statement, keyBytes: Int) {
        let bytes = row.bytes(1)
        guard bytes.count == reader.width, let peer = Key(bytes: bytes) else {
            report.note("provider", "a provider's key of \(bytes.count) bytes, not \(reader.width)")
            return
        }
        if let id = PeerID(row.array(2)) {
            if report.isFull, (try? reader.network.key(of: id)) != peer {
                report.note("provider", peer, "its key is not the key of its id")
            }
        } else {
            report.note("provider", peer, "an id of \(row.bytes(2).count) bytes")
        }
        // Times stand in the row: to decode the addresses, any will do.
        if let (addresses, _) = RecordReader.addresses(row.array(3), at: Instant(milliseconds: 0)) {
            if addresses.count > StoredProvider.maximumAddresses {
                report.note("provider", peer, "\(addresses.count) addresses")
            }
        } else {
            report.note("provider", peer, "its addresses cannot be read")
        }
        if !(1...StoredValue.maximumKeyBytes).contains(keyBytes) {
            report.note("provider", peer, "of a key of \(keyBytes) bytes")
        }
    }

    private mutating func checkHoldings() throws {
        // One view: rows may come and go meanwhile.
        let (kept, counted) = try connection.inOneView { (try reader.holdings(), try reader.countHoldings()) }
        for (kind, isOwn) in Holdings.parts where kept[kind, isOwn: isOwn] != counted[kind, isOwn: isOwn] {
            let (told, found) = (kept[kind, isOwn: isOwn], counted[kind, isOwn: isOwn])
            report.note(
                "holding",
                "\(isOwn ? "own " : "")\(kind)s: it says \(told.count) with \(told.bytes) bytes, there are "
                    + "\(found.count) with \(found.bytes)")
        }
    }

    mutating func checkCrawls() throws {
        let crawls = try connection.statement(
            """
            SELECT 'crawl', 'crawl ' || number || ' ended before it started, or is complete and has not ended'
            FROM crawl WHERE ended_at < started_at OR is_complete = 1 AND ended_at IS NULL
            UNION ALL SELECT 'crawl', count(*) || ' crawls have not ended' FROM crawl WHERE ended_at IS NULL
            GROUP BY 1 HAVING count(*) > 1
            UNION ALL SELECT 'crawl', count(*) || ' rows, at most ' || ?1 || ' are kept' FROM crawl
            GROUP BY 1 HAVING count(*) > ?1
            UNION ALL SELECT 'visit', 'there are visits, and no crawl that has not ended'
            WHERE EXISTS (SELECT 1 FROM visit) AND NOT EXISTS (SELECT 1 FROM crawl WHERE ended_at IS NULL)
            """)
        defer { crawls.reset() }
        crawls.bind(1, Int64(Crawl.maximumCount))
        while try crawls.step() { report.note(crawls.text(0), crawls.text(1)) }
        try checkCrawlTotals()
        let visits = try connection.statement("SELECT key FROM visit WHERE length(key) <> ?1")
        defer { visits.reset() }
        visits.bind(1, Int64(reader.width))
        while try visits.step() {
            report.note("visit", "a key of \(visits.bytes(0).count) bytes, not \(reader.width)")
        }
    }

    private mutating func checkCrawlTotals() throws {
        let totals = try connection.statement("SELECT crawl, outcome, peers FROM crawl_total")
        defer { totals.reset() }
        while try totals.step() {
            guard VisitOutcome(number: totals.int64(1)) == nil || totals.int64(2) < 0 else { continue }
            report.note("crawl_total", "values that cannot be, of crawl \(totals.int64(0))")
        }
        // One statement, so one view. Of outcomes that occur on one side only, the other counts none.
        let differences = try connection.statement(
            """
            SELECT outcome, sum(peers) FROM (
                SELECT outcome, count(*) AS peers FROM visit GROUP BY outcome
                UNION ALL SELECT outcome, -peers FROM crawl_total
                WHERE crawl IN (SELECT number FROM crawl WHERE ended_at IS NULL) AND peers > -(1 << 62)
            ) GROUP BY outcome HAVING sum(peers) <> 0
            """)
        defer { differences.reset() }
        while try differences.step() {
            report.note(
                "crawl_total", "it is \(differences.int64(1)) visits of outcome \(differences.int64(0)) behind")
        }
    }
}
