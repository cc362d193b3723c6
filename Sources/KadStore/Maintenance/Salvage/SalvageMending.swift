import Kademlia
import Multiformats

/// Puts right what the loss of rows has left of others: references to what is gone, numbers that no longer add up, routing
/// tables with gaps. On a store of the current schema, by the readers and writers that a running store uses.
struct SalvageMending {
    private let connection: Connection
    private let reader: RecordReader
    private let writer: RecordWriter
    /// Rows that had to go, by table.
    private(set) var dependent: [String: Int] = [:]
    private(set) var excess: [String: Int] = [:]
    /// Rows that others name, or that must have been there, and that nobody met, by table.
    private(set) var absent: [String: Int] = [:]
    private(set) var peers = 0

    init(_ connection: Connection, network: Network) {
        self.connection = connection
        reader = RecordReader(connection, network: network)
        writer = RecordWriter(reader)
    }

    /// - Parameter addressSources: sources that addresses of peers name; nil for all that there may be.
    mutating func run(addressSources: Set<Int64>?, cancellation: Cancellation) throws {
        try connection.execute("PRAGMA foreign_keys = OFF")
        try connection.writeTransaction { try dropDependent() }
        try connection.execute("PRAGMA foreign_keys = ON")
        try connection.writeTransaction {
            try mendNames(addressSources, cancellation)
            try mendTables()
            try mendCrawls()
            try mendHistory()
            try recount()
            // What was just written by SQL, and what is older than seals.
            _ = try connection.sealUnsealed()
        }
    }

    // MARK: References

    private mutating func dropDependent() throws {
        for table in ["failure", "backoff", "held", "member"] {
            try drop(table, "NOT EXISTS (SELECT 1 FROM peer WHERE peer.key = \(table).key)")
        }
        for table in ["bucket", "member"] { try drop(table, "identity NOT IN (SELECT number FROM identity)") }
        try drop("crawl_total", "crawl NOT IN (SELECT number FROM crawl)")
        try connection.execute(
            "UPDATE lookup_summary SET identity = NULL WHERE identity NOT IN (SELECT number FROM identity)")
    }

    private mutating func drop(_ table: String, _ condition: String) throws {
        try connection.execute("DELETE FROM \(table) WHERE \(condition)")
        if connection.changes > 0 { dependent[table, default: 0] += connection.changes }
    }

    private mutating func cap(_ table: String, _ limit: Int, newest: String, key: String) throws {
        try connection.execute(
            """
            DELETE FROM \(table) WHERE \(key) IN (
                SELECT \(key) FROM \(table) ORDER BY \(newest) DESC, \(key) LIMIT -1 OFFSET \(limit))
            """)
        if connection.changes > 0 { excess[table, default: 0] += connection.changes }
    }

    /// Writes anew whoever names an agent, protocols or a source whose string is gone.
    private mutating func mendNames(_ addressSources: Set<Int64>?, _ cancellation: Cancellation) throws {
        try countAbsentNames(addressSources)
        let lostSources = try addressSources?.contains { try reader.strings.name(.source, $0) == nil } ?? true
        var last: Key?
        let condition =
            lostSources
            ? "1"
            : """
            agent IS NOT NULL AND agent NOT IN (SELECT id FROM agent)
                OR protocols IS NOT NULL AND protocols NOT IN (SELECT id FROM protocol_set)
                OR source IS NOT NULL AND source NOT IN (SELECT id FROM source)
            """
        while true {
            try cancellation.check()
            // Gathered first: what is being read is not to be written.
            let query = try connection.prepare(
                "SELECT key FROM peer WHERE key > ?1 AND (\(condition)) ORDER BY key LIMIT 4096")
            if let last { query.bind(1, last, width: reader.width) } else { query.bind(1, [UInt8]()) }
            var keys: [Key] = []
            while try query.step() { keys.append(try reader.key(query)) }
            guard let end = keys.last else { break }
            last = end
            for key in keys {
                if let record = try reader.record(of: key) { try writer.rewrite(record) }
            }
        }
        let query = try connection.prepare(
            "SELECT address FROM candidate WHERE source IS NOT NULL AND source NOT IN (SELECT id FROM source)")
        var addresses: [Multiaddr] = []
        while try query.step() { addresses.append(try Multiaddr(bytes: query.array(0)[...])) }
        for address in addresses { try writer.replace(nil, with: reader.candidate(at: address), address: address) }
    }

    private mutating func countAbsentNames(_ addressSources: Set<Int64>?) throws {
        for (table, column) in [("agent", "agent"), ("protocol_set", "protocols")] {
            let query = try connection.prepare(
                "SELECT count(DISTINCT \(column)) FROM peer WHERE \(column) NOT IN (SELECT id FROM \(table))")
            absent[table] = try query.step() ? Int(query.int64(0)) : 0
        }
        var sources: Set<Int64> = []
        let query = try connection.prepare(
            """
            SELECT source FROM peer WHERE source NOT IN (SELECT id FROM source)
            UNION SELECT source FROM candidate WHERE source NOT IN (SELECT id FROM source)
            """)
        while try query.step() { sources.insert(query.int64(0)) }
        for source in addressSources ?? [] where try reader.strings.name(.source, source) == nil {
            sources.insert(source)
        }
        absent["source"] = sources.count
    }

    // MARK: Routing tables

    /// A table is restored from its buckets, without a gap among them.
    private mutating func mendTables() throws {
        try connection.execute(
            """
            INSERT OR IGNORE INTO bucket (identity, prefix, refreshed_at)
            WITH RECURSIVE prefixes (identity, prefix) AS (
                SELECT identity, max(prefix) FROM (
                    SELECT identity, prefix FROM bucket UNION ALL SELECT identity, prefix FROM member)
                GROUP BY identity
                UNION ALL SELECT identity, prefix - 1 FROM prefixes WHERE prefix > 0)
            SELECT identity, prefix, NULL FROM prefixes
            """)
        absent["bucket"] = connection.changes
        for identity in try reader.identities() {
            let restored = RoutingTable.restored(
                from: try reader.buckets(of: identity.number), localKey: identity.peer.key,
                configuration: Checker.wideConfiguration(reader.network))
            guard !restored.faults.isEmpty else { continue }
            for bucket in restored.table.snapshot() { try writer.write(bucket, identity: identity.number) }
        }
    }

    // MARK: Crawls, history and numbers

    private mutating func mendCrawls() throws {
        // At most one has not ended, and only of that one visits are kept.
        try connection.execute(
            """
            UPDATE crawl SET ended_at = started_at
            WHERE ended_at IS NULL AND number < (SELECT max(number) FROM crawl WHERE ended_at IS NULL)
            """)
        try cap("crawl", Crawl.maximumCount, newest: "number", key: "number")
        try drop("crawl_total", "crawl NOT IN (SELECT number FROM crawl)")
        try drop("visit", "NOT EXISTS (SELECT 1 FROM crawl WHERE ended_at IS NULL)")
        try connection.execute(
            """
            DELETE FROM crawl_total WHERE crawl IN (SELECT number FROM crawl WHERE ended_at IS NULL);
            INSERT INTO crawl_total (crawl, outcome, peers)
                SELECT (SELECT number FROM crawl WHERE ended_at IS NULL), outcome, count(*) FROM visit GROUP BY outcome
            """)
    }

    private mutating func mendHistory() throws {
        try cap("held", Store.maximumHeldFailures, newest: "at", key: "key")
        try cap("session", OnlineTime.maximumCount, newest: "started_at", key: "started_at")
        try cap("lookup_summary", LookupSummary.maximumCount, newest: "number", key: "number")
        try cap("tombstone", Tombstone.maximumCount, newest: "dropped_at", key: "key")
        try mendSessions()
    }

    /// Old copies of a session may overlap others: they become one.
    private mutating func mendSessions() throws {
        let overlaps = try connection.integer(
            """
            SELECT count(*) FROM (
                SELECT started_at, max(ended_at) OVER (
                    ORDER BY started_at ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS before FROM session)
            WHERE started_at < before
            """)
        guard overlaps > 0 else { return }
        let before = try connection.integer("SELECT count(*) FROM session")
        let online = try reader.sessions()
        try connection.execute("DELETE FROM session")
        try writer.replace(OnlineTime(), with: online)
        excess["session", default: 0] += Int(before) - online.sessions.count
    }

    private mutating func recount() throws {
        peers = Int(try connection.integer("SELECT count(*) FROM peer"))
        try connection.execute(
            "INSERT OR REPLACE INTO tally (singleton, peers) VALUES (1, \(peers))")
        try writer.replaceHoldings(with: reader.countHoldings())
    }
}
