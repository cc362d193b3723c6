import Kademlia
import Multiformats

extension Store {
    /// Begins to watch what is committed to the store from now on, by whatever process.
    public func watch() -> StoreWatch { StoreWatch(self) }
}

/// A cheap look now and then at a store that somebody else writes.
///
/// No look takes time by the number of peers. The rows that changed are found by the write-ahead log; it is read as a file,
/// and each look is one short read of the database: between looks nothing is held, and nobody is kept from emptying the
/// log.
public struct StoreWatch: Sendable {
    /// The most changes that a look returns one by one.
    public static let maximumChanges = 64

    private let store: Store
    private let since: Instant
    private var log: LogTail
    private var seen = SeenOutcomes()

    /// A page of 64 KiB holds no more rows.
    private static let rowsOfPage: Int64 = 1_024

    init(_ store: Store) {
        self.store = store
        since = store.options.now()
        log = LogTail(path: DatabaseFiles.log(of: store.path))
    }

    /// What the store holds now, and what has changed since the look before.
    ///
    /// - Complexity: O(c log n) for c rows in changed pages, of which at most 1,024 are looked at; and what is bounded in any
    ///   store: held failures, the latest lookups.
    public mutating func look() throws(StoreError) -> Glance {
        // Before the database is read: what is in the log now is in the view that the read will have.
        let news = log.read()
        let width = store.network.keyByteCount
        let pages = news.contents.map { PageKeys($0, keyWidth: width) }
        var glance = Glance()
        glance.commits = news.commits
        glance.pages = news.pages
        glance.isComplete = news.isComplete
        var seen = seen
        try store.readers.withReader { reader in
            try reader.connection.readTransaction {
                try Self.count(&glance, reader)
                for page in pages {
                    for range in page.ranges {
                        switch page.table {
                        case .peer: try Self.lookForAnswers(in: range, since, &seen, &glance, reader)
                        case .failure: try Self.lookForFailures(in: range, since, &seen, &glance, reader)
                        case nil: break
                        }
                    }
                }
            }
        }
        self.seen = seen
        glance.changes.sort { ($1.at, $0.key) < ($0.at, $1.key) }
        glance.changes.removeLast(max(0, glance.changes.count - Self.maximumChanges))
        return glance
    }

    private static func count(_ glance: inout Glance, _ reader: RecordReader) throws {
        let connection = reader.connection
        glance.peers = try reader.peerCount()
        glance.heldFailures = Int(
            try connection.integer("SELECT count(*) FROM (SELECT 1 FROM held LIMIT 4096)"))
        glance.lookups = LookupHistory(totals: try reader.lookupTotals(), recent: try reader.lookups())
        let last = try connection.statement("SELECT max(updated_at) FROM writer")
        defer { last.reset() }
        if try last.step() { glance.lastCommit = last.optionalInt64(0).map(Instant.init(milliseconds:)) }
        let pages = try connection.integer("PRAGMA page_count")
        glance.fileBytes = pages.multipliedSaturated(by: try connection.integer("PRAGMA page_size"))
        glance.logBytes = fileSize(DatabaseFiles.log(of: connection.path))
    }

    /// Finds peers of a range of keys that have answered.
    private static func lookForAnswers(
        in range: ClosedRange<Key>, _ since: Instant, _ seen: inout SeenOutcomes, _ glance: inout Glance,
        _ reader: RecordReader
    ) throws {
        let rows = try reader.connection.statement(
            """
            SELECT key, id, last_ok, successes, rtt_us FROM peer
            WHERE key BETWEEN ?1 AND ?2 AND last_ok >= ?3 LIMIT ?4
            """)
        defer { rows.reset() }
        rows.bind(1, range.lowerBound, width: reader.width).bind(2, range.upperBound, width: reader.width)
        rows.bind(3, since.milliseconds).bind(4, rowsOfPage)
        while try rows.step() {
            let key = try reader.key(rows)
            var outcome = seen[key] ?? SeenOutcomes.Outcome()
            let at = rows.int64(2)
            guard at > outcome.answeredAt else { continue }
            let successes = rows.int64(3)
            glance.answers = glance.answers.addingSaturated(outcome.successes.map(successes.increase(over:)) ?? 1)
            (outcome.answeredAt, outcome.successes) = (at, successes)
            seen[key] = outcome
            glance.changes.append(
                Glance.Change(
                    key: key, id: PeerID(rows.array(1)), outcome: .answered(rtt: rows.optionalInt64(4)),
                    at: Instant(milliseconds: at)))
        }
    }

    /// Finds failures of a range of keys.
    private static func lookForFailures(
        in range: ClosedRange<Key>, _ since: Instant, _ seen: inout SeenOutcomes, _ glance: inout Glance,
        _ reader: RecordReader
    ) throws {
        let rows = try reader.connection.statement(
            """
            SELECT key, (SELECT id FROM peer WHERE peer.key = failure.key), class, count, first_at, last_at FROM failure
            WHERE key BETWEEN ?1 AND ?2 AND last_at >= ?3 ORDER BY key, last_at LIMIT ?4
            """)
        defer { rows.reset() }
        rows.bind(1, range.lowerBound, width: reader.width).bind(2, range.upperBound, width: reader.width)
        rows.bind(3, since.milliseconds).bind(4, rowsOfPage)
        // Of one peer several may be new: what was seen before all of them.
        var peer: (key: Key, before: Int64)?
        while try rows.step() {
            let key = try reader.key(rows)
            var outcome = seen[key] ?? SeenOutcomes.Outcome()
            if peer?.key != key { peer = (key, outcome.failedAt) }
            let at = rows.int64(5)
            guard let failureClass = FailureClass(rawValue: UInt8(clamping: rows.int64(2))),
                let before = peer?.before, at > before
            else { continue }
            // One that is all new counts in full; of one that grew, nobody knows by how much.
            let isNew = rows.int64(4) > max(before, since.milliseconds - 1)
            let count = isNew ? rows.int64(3).increase(over: 0) : 1
            glance.failures = glance.failures.addingSaturated(count)
            glance.failuresByClass[failureClass] = (glance.failuresByClass[failureClass] ?? 0).addingSaturated(count)
            outcome.failedAt = max(outcome.failedAt, at)
            seen[key] = outcome
            if glance.changes.last?.key == key, case .failed? = glance.changes.last?.outcome {
                glance.changes.removeLast()
            }
            glance.changes.append(
                Glance.Change(
                    key: key, id: PeerID(rows.array(1)), outcome: .failed(failureClass),
                    at: Instant(milliseconds: at)))
        }
    }
}

/// What was seen of peers already. Two generations: the younger becomes the older when it is full, so memory is bounded; a
/// peer that falls out of both is counted once more if it happens to lie beside one that changes.
private struct SeenOutcomes: Sendable {
    struct Outcome: Hashable, Sendable {
        var answeredAt = Int64.min
        /// Nil before the first answer that was seen.
        var successes: Int64?
        var failedAt = Int64.min
    }

    private static let generation = 65_536
    private var young: [Key: Outcome] = [:]
    private var old: [Key: Outcome] = [:]

    subscript(key: Key) -> Outcome? {
        get { young[key] ?? old[key] }
        set {
            if young.count >= Self.generation {
                old = young
                young = [:]
            }
            young[key] = newValue
        }
    }
}

extension Int64 {
    /// How much more this is, at least 1: it was seen to have grown. Numbers of a file, so nothing is certain.
    fileprivate func increase(over before: Int64) -> Int {
        let (difference, overflow) = subtractingReportingOverflow(before)
        return overflow || difference < 1 ? 1 : Int(clamping: difference)
    }

    fileprivate func multipliedSaturated(by factor: Int64) -> Int64 {
        let (product, overflow) = multipliedReportingOverflow(by: factor)
        return overflow ? .max : product
    }
}
