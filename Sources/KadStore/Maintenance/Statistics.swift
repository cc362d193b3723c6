import Kademlia

/// What a store holds, counted.
public struct Statistics: Hashable, Sendable {
    public struct Named: Hashable, Sendable {
        public var name: String
        public var count: Int
    }

    /// Round-trip times of the peers that have an estimate, in microseconds, to within 6 %.
    public struct RTT: Hashable, Sendable {
        public var count: Int
        public var p10, p50, p90, p99: Int64
    }

    public var peers = 0
    /// Peers whose last dial succeeded.
    public var answered = 0
    /// Peers that were heard of and never dialled.
    public var unverified = 0
    /// Peers that failed since they last answered.
    public var failing = 0
    /// Peers that must not be dialled now.
    public var backedOff = 0
    /// Peers whose circuit breaker is not closed.
    public var openBreakers = 0
    /// Failures that the outage guard holds: not counted yet.
    public var heldFailures = 0
    public var addresses = 0
    public var peersWithoutAddress = 0
    public var candidates = 0
    public var tombstones = 0
    public var identities = 0
    /// Live contacts of all identities, and their replacement caches.
    public var contacts = 0
    public var replacements = 0
    /// Failures counted, by class, most frequent first.
    public var failures: [Named] = []
    /// Peers by source, by agent, by protocol set; most frequent first, at most ``topCount`` each. Exact up to 65,536
    /// different strings of a kind; where there are more, a count may be too low by a 32,768th of all.
    public var sources: [Named] = []
    public var agents: [Named] = []
    public var protocols: [Named] = []
    public var rtt: RTT?
    /// The lookups that nodes made with this store.
    public var lookups = LookupHistory()
    /// Values and providers, expired ones that were not swept yet included.
    public var holdings = Holdings()
    /// Crawls, the latest first; one of them may be under way.
    public var crawls: [Crawl] = []
    /// How long nodes have been running, in milliseconds, as far back as sessions are kept.
    public var onlineMilliseconds: Int64 = 0
    public var firstSeen: Instant?
    public var lastSeen: Instant?
    public var lastOK: Instant?
    /// The database file, and its write-ahead log.
    public var fileBytes: Int64 = 0
    public var logBytes: Int64 = 0
    public var schema = 0

    /// Bytes of the file for each peer, everything included.
    public var bytesPerPeer: Double? { peers == 0 ? nil : Double(fileBytes) / Double(peers) }

    public static let topCount = 10

    init() {}
}

extension Store {
    /// Counts everything. Reads the whole store in short pages, on a thread of the store's own.
    ///
    /// - Complexity: O(n): about a second for a million peers.
    public func statistics() async throws(StoreError) -> Statistics {
        if let writer { _ = try await writer.perform { try $0.commitPending() } }
        let now = options.now()
        return try await maintain { reader, cancellation in
            var tally = PeerTally(now: now)
            while try tally.page(reader) { try cancellation.check(done: tally.peerCount) }
            return try tally.statistics(reader)
        }
    }

    /// Runs a long read on the maintenance queue: never on Swift's cooperative threads, never in the writer's way.
    func maintain<Result: Sendable>(
        _ body: @escaping @Sendable (RecordReader, Cancellation) throws -> Result
    ) async throws(StoreError) -> Result {
        try await Cancellation.run(on: maintenance, path: path) { [readers] cancellation in
            try readers.withReader { try body($0, cancellation) }
        }
    }
}

extension Statistics {
    mutating func countTables(_ reader: RecordReader) throws {
        let connection = reader.connection
        candidates = Int(try connection.integer("SELECT count(*) FROM candidate"))
        tombstones = Int(try connection.integer("SELECT count(*) FROM tombstone"))
        identities = Int(try connection.integer("SELECT count(*) FROM identity"))
        contacts = Int(try connection.integer("SELECT count(*) FROM member WHERE role = 0"))
        replacements = Int(try connection.integer("SELECT count(*) FROM member WHERE role = 1"))
        openBreakers = Int(try connection.integer("SELECT count(*) FROM backoff WHERE breaker <> 0"))
        heldFailures = Int(try connection.integer("SELECT count(*) FROM held"))
        lookups = LookupHistory(totals: try reader.lookupTotals(), recent: try reader.lookups())
        holdings = try reader.holdings()
        crawls = try reader.crawls(limit: Crawl.maximumCount)
        onlineMilliseconds = try reader.sessions().milliseconds(since: Instant(milliseconds: .min))
        schema = Int(try connection.integer("PRAGMA user_version"))
        let pages = try connection.integer("PRAGMA page_count")
        fileBytes = pages * (try connection.integer("PRAGMA page_size"))
        logBytes = fileSize(DatabaseFiles.log(of: connection.path))

        let classes = try connection.statement(
            "SELECT class, CAST(total(count) AS INTEGER) FROM failure GROUP BY class ORDER BY 2 DESC, 1")
        defer { classes.reset() }
        while try classes.step() {
            let name = FailureClass(rawValue: UInt8(clamping: classes.int64(0)))?.name ?? "class \(classes.int64(0))"
            failures.append(Named(name: name, count: Int(classes.int64(1))))
        }
    }
}
