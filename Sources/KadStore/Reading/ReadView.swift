import Kademlia
import Multiformats

/// One consistent view: the database at one commit, and the queued events that it does not hold yet.
struct ReadView {
    let reader: RecordReader
    private let pending: PendingWrites.Snapshot
    private let applied: Int64

    /// Runs `body` inside one read transaction. It must be short: nothing of a caller's runs in it.
    static func with<Result>(
        _ reader: RecordReader, pending: PendingWrites, token: Int64, _ body: (ReadView) throws -> Result
    ) throws -> Result {
        // The order matters: what is queued is taken first, so that nothing falls between it and the database's view.
        let snapshot = try pending.snapshot()
        return try reader.connection.readTransaction {
            guard let snapshot else {
                return try body(ReadView(reader: reader, pending: PendingWrites.Snapshot(), applied: 0))
            }
            let query = try reader.connection.statement("SELECT sequence FROM writer WHERE token = ?1")
            defer { query.reset() }
            let isMarked = try query.bind(1, token).step()
            // Closing takes the mark away, after everything was written: without it, what is queued would count twice.
            guard isMarked || !pending.isClosed else { throw StoreError.closed }
            let applied = isMarked ? query.int64(0) : 0
            return try body(ReadView(reader: reader, pending: snapshot, applied: applied))
        }
    }

    /// Whether any peer has queued events.
    var hasPendingPeers: Bool { !pending.byPeer.isEmpty }

    /// The peers with queued events.
    var pendingPeers: Dictionary<Key, [PendingWrites.Queued]>.Keys { pending.byPeer.keys }

    func isPending(_ key: Key) -> Bool { pending.byPeer[key] != nil }

    /// The events of a peer that the database does not hold yet.
    func events(of key: Key) -> some Sequence<StoreEvent> { news(pending.byPeer[key] ?? []) }

    /// The events of the value and the providers of a key.
    func events(ofValue key: [UInt8]) -> some Sequence<StoreEvent> { news(pending.byValueKey[key] ?? []) }

    /// The keys of values and providers with queued events.
    var pendingValueKeys: Dictionary<[UInt8], [PendingWrites.Queued]>.Keys { pending.byValueKey.keys }

    /// What queued events found of a peer in a crawl; the latest.
    func visit(of key: Key, in crawl: Int64) -> VisitOutcome? {
        guard let queued = pending.visits[key] else { return nil }
        var latest: VisitOutcome?
        for case .visited(_, let outcome, _, crawl: crawl) in news(queued) { latest = outcome }
        return latest
    }

    /// The peers of which queued events say that a crawl has visited them.
    var pendingVisits: Dictionary<Key, [PendingWrites.Queued]>.Keys { pending.visits.keys }

    /// Those of none of these.
    var otherEvents: some Sequence<StoreEvent> { news(pending.others) }

    private func news(_ queued: [PendingWrites.Queued]) -> some Sequence<StoreEvent> {
        queued.lazy.filter { $0.sequence > applied }.map(\.event)
    }

    /// One peer with all its history, queued events included.
    func record(of key: Key) throws -> PeerRecord? {
        let record = try reader.record(of: key)
        return try current(record, key)
    }

    private func current(_ stored: PeerRecord?, _ key: Key) throws -> PeerRecord? {
        guard let queued = pending.byPeer[key] else { return stored }
        var record = stored
        var left: Tombstone??
        for entry in queued where entry.sequence > applied {
            let known = left
            try entry.event.apply(to: &record) { try known ?? reader.tombstone(of: $0) }
            left = entry.event.tombstone ?? left
        }
        return record
    }

    /// Peers in key order, after `last`, at most `limit` of them; where the page ended, if there may be more.
    func records(after last: Key?, limit: Int) throws -> (page: RecordReader.Page, end: Key?) {
        var page = try reader.records(after: last, limit: limit)
        let end = page.rows < limit ? nil : page.last
        guard hasPendingPeers else { return (page, end) }
        let stored = Set(page.records.map(\.key)).union(page.damaged)
        page.records = try page.records.compactMap { try current($0, $0.key) }
        for key in pendingPeers where !stored.contains(key) {
            if let last, key <= last { continue }
            if let end, key > end { continue }
            if let newcomer = try current(nil, key) { page.records.append(newcomer) }
        }
        page.records.sort { $0.key < $1.key }
        return (page, end)
    }

    /// Candidates in the order of their addresses, after `last`.
    func candidates(after last: Multiaddr?, limit: Int) throws -> CandidatePage {
        let page = try reader.candidates(after: last, limit: limit)
        guard !pending.byCandidate.isEmpty else {
            return CandidatePage(candidates: page.rows, damaged: page.damagedCount, next: page.end)
        }
        var byAddress: [Multiaddr: Candidate] = [:]
        for candidate in page.rows { byAddress[candidate.address] = candidate }
        for (address, queued) in pending.byCandidate where !page.damaged.contains(address) {
            if let last, address <= last { continue }
            if let end = page.end, address > end { continue }
            var candidate = byAddress[address]
            for entry in queued where entry.sequence > applied { entry.event.apply(to: &candidate) }
            byAddress[address] = candidate
        }
        return CandidatePage(
            candidates: byAddress.values.sorted { $0.address < $1.address }, damaged: page.damagedCount, next: page.end)
    }

    /// Tombstones in key order, after `last`.
    func tombstones(after last: Key?, limit: Int) throws -> TombstonePage {
        let page = try reader.tombstones(after: last, limit: limit)
        var byKey: [Key: Tombstone] = [:]
        for stone in page.rows { byKey[stone.key] = stone }
        for (key, queued) in pending.byPeer where !page.damaged.contains(key) {
            if let last, key <= last { continue }
            if let end = page.end, key > end { continue }
            for entry in queued where entry.sequence > applied {
                if let left = entry.event.tombstone { byKey[key] = left }
            }
        }
        return TombstonePage(
            tombstones: byKey.values.sorted { $0.key < $1.key }, damaged: page.damagedCount, next: page.end)
    }

    func isKnown(_ key: Key) throws -> Bool {
        guard pending.byPeer[key] != nil else { return try reader.firstKey(from: key) == key }
        return try record(of: key) != nil
    }

    /// The buckets of an identity, queued changes included.
    func buckets(of identity: Int64) throws -> [BucketSnapshot] {
        var byIndex: [Int: BucketSnapshot] = [:]
        for var bucket in try reader.buckets(of: identity) {
            if hasPendingPeers {
                // Who is forgotten is a contact no more. All others of a stored bucket are there.
                bucket.live = try bucket.live.filter { try !isPending($0.key) || isKnown($0.key) }
                bucket.replacements = try bucket.replacements.filter { try !isPending($0.key) || isKnown($0.key) }
            }
            byIndex[bucket.index] = bucket
        }
        for case .bucket(var snapshot, identity: identity) in otherEvents {
            // As the writer will do: a contact without a row could not be dialled after a restart.
            snapshot.live = try snapshot.live.filter { try isKnown($0.key) }
            snapshot.replacements = try snapshot.replacements.filter { try isKnown($0.key) }
            byIndex[snapshot.index] = snapshot
        }
        return byIndex.values.sorted { $0.index < $1.index }
    }
}
