import KadStore
import Kademlia
import Multiformats

/// A slow walk over all rows, a page at a time: it drops what retention lets go, and what is over the cap.
struct RetentionSweep {
    /// Rows of one page: some 3 ms of reading.
    static let pageRows = 256
    /// Between two pages of a round, and between two rounds, in milliseconds. 65,536 rows take four minutes.
    static let pageMilliseconds: Int64 = 1_000
    static let roundMilliseconds: Int64 = 3_600_000

    private(set) var nextTick: Uptime
    /// Where the page before ended; nil at the beginning of a round.
    private(set) var position: Key?
    /// By how much the number that the store keeps was found to be too large, in this round; nil until it mattered.
    var surplus: Int?
    private var foreignCommits: Int64 = 0

    init(at now: Uptime) { nextTick = now.advanced(byMilliseconds: Self.roundMilliseconds / 60) }

    /// - Parameter isUrgent: over the cap: the next round begins at once.
    mutating func turned(to next: Key?, isUrgent: Bool, at now: Uptime) {
        position = next
        if next == nil { surplus = nil }
        let wait = next != nil || isUrgent ? Self.pageMilliseconds : Self.roundMilliseconds
        nextTick = now.advanced(byMilliseconds: wait)
    }

    /// Whether another process has written the file since the last question.
    mutating func foreignCommits(of store: Store) -> Bool {
        let commits = store.foreignCommits()
        defer { foreignCommits = commits }
        return foreignCommits != commits
    }
}

extension NodeEngine {
    func tickSweep() {
        guard upkeep.sweep.nextTick <= uptime else { return }
        do {
            try sweepPage()
        } catch {
            upkeep.health.failed(error, &actions)
            upkeep.sweep.turned(to: nil, isUrgent: false, at: uptime)
        }
    }

    private func sweepPage() throws(StoreError) {
        let online = try store.sessions()
        let cap = Int(clamping: store.peerCap)
        var rows = try rowCount(cap: cap)
        var excess = configuration.retention.excess(rows: rows, cap: cap)
        let page = try store.peers(after: upkeep.sweep.position, limit: RetentionSweep.pageRows)
        // This page's share of what is too much, rounded up: a round over all pages brings the store under its cap.
        let (product, overflow) = excess.multipliedReportingOverflow(by: page.peers.count)
        let share = rows > 0 && !overflow ? min(excess, product / rows + (product % rows == 0 ? 0 : 1)) : 0
        var candidates: [(rank: UInt64, record: PeerRecord)] = []
        var dropped = 0
        for record in page.peers {
            let facts = facts(of: record, online)
            let circumstances = Retention.Circumstances(
                rows: rows, hasSucceeded: answers > 0, mayExpire: clock.mayExpire)
            if case .drop = configuration.retention.verdict(facts, in: circumstances) {
                drop(record)
                rows -= 1
                dropped += 1
            } else if share > 0 {
                let rank = configuration.retention.rank(facts)
                if rank > 0 { candidates.append((rank, record)) }
            }
        }
        candidates.sort { ($0.rank, $0.record.key) > ($1.rank, $1.record.key) }
        for candidate in candidates.prefix(max(0, share - dropped)) {
            drop(candidate.record)
            dropped += 1
        }
        excess = max(0, excess - dropped)
        if dropped > 0 { actions.append(.note(.dropped(dropped))) }
        // What is kept under keys goes once a round, and by the same clock.
        if page.next == nil, clock.mayExpire { actions.append(.sweep(at: now)) }
        upkeep.sweep.turned(to: page.next, isUrgent: excess > 0 && dropped > 0, at: uptime)
    }

    /// How many peers there are. Nobody is dropped for want of room on the word of a number that a foreign program may have
    /// left wrong: when it says that there are too many, they are counted, once a round.
    private func rowCount(cap: Int) throws(StoreError) -> Int {
        let kept = max(0, try store.peerCount())
        guard configuration.retention.excess(rows: kept, cap: cap) > 0 else { return kept }
        if upkeep.sweep.surplus == nil { upkeep.sweep.surplus = kept - (try store.countPeers()) }
        let (rows, overflow) = kept.subtractingReportingOverflow(upkeep.sweep.surplus ?? 0)
        return overflow ? 0 : max(0, rows)
    }

    private func facts(of record: PeerRecord, _ online: OnlineTime) -> Retention.Facts {
        // Not whoever answered since the start: a node that runs for months would never forget anybody.
        let isInUse =
            table.liveContact(record.key) != nil || table.waitingContact(record.key) != nil
            || calls.isCalling(record.key)
        return Retention.Facts(
            idleMilliseconds: clock.age(of: record.lastSeen, at: now),
            onlineSinceSeen: clock.age(of: record.lastSeen, at: now).map { _ in
                online.milliseconds(since: record.lastSeen)
            },
            onlineSinceOK: record.lastOK.flatMap {
                clock.age(of: $0, at: now) == nil ? nil : online.milliseconds(since: $0)
            },
            hasAnswered: record.lastOK != nil, failuresInARow: record.backoff?.failuresInARow ?? 0, isInUse: isInUse)
    }

    /// A dropped peer leaves what gossip must not wash away.
    private func drop(_ record: PeerRecord) {
        outage.forget(record.key)
        trials.remove(record.key)
        remember(.forgotten(record.peer, leaving: Tombstone(of: record, at: now)))
    }
}
