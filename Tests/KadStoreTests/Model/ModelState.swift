import Kademlia
import Multiformats

@testable import KadStore

/// What a file should hold, by the simplest means: nothing here is looked up by an index, cached, or written in parts.
///
/// A reader sees what the file would hold if all that it has queued were committed now: ``after(_:)`` says so for both.
struct ModelState: Equatable {
    struct Place: Hashable {
        var identity: Int64
        var index: Int
    }

    var peers: [Key: ModelPeer] = [:]
    var tombstones: [Key: Tombstone] = [:]
    var held: [Key: OutageGuard.Held] = [:]
    var candidates: [Multiaddr: Candidate] = [:]
    var identities: [Identity] = []
    var buckets: [Place: BucketSnapshot] = [:]
    var clock: ClockMark?
    var online = OnlineTime()
    var witnesses: [OutageGuard.Witness] = []
    var canaryAt: Instant?
    var lookups: [LookupSummary] = []
    var lookupTotals: [Lookup.FinishReason: LookupTotals] = [:]
    /// Oldest first.
    var crawls: [Crawl] = []
    var visits: [Key: VisitOutcome] = [:]
    var peerCap = Store.defaultPeerCap
    var values: ModelValues

    init(limits: HoldingLimits) { values = ModelValues(limits: limits) }

    var runningCrawl: Crawl? { crawls.last.flatMap { $0.endedAt == nil ? $0 : nil } }

    // MARK: A batch

    /// What is there when `events` are taken in as one batch, as a reader sees it.
    func after(_ events: [StoreEvent]) -> ModelState {
        var state = self
        state.take(events)
        return state
    }

    /// Commits a batch: takes it in, and keeps to the limits.
    mutating func commit(_ events: [StoreEvent]) {
        guard !events.isEmpty else { return }
        take(events)
        let dropped = events.compactMap { event -> Instant? in
            guard case .forgotten(_, let stone?) = event else { return nil }
            return stone.droppedAt
        }
        if let newest = dropped.max() { limitTombstones(newest) }
        if lookups.count > 1_024 { lookups.removeFirst(lookups.count - 1_024) }
        values.keepToLimits()
    }

    private mutating func take(_ events: [StoreEvent]) {
        for event in events { takePeer(event) }
        takeHeld(events)
        for event in events { takeCandidate(event) }
        takeBuckets(events)
        for event in events { takeRest(event) }
        for event in events { values.apply(event) }
        takeVisits(events)
    }

    private mutating func takePeer(_ event: StoreEvent) {
        func known(_ peer: Peer, _ source: String?, _ now: Instant) -> ModelPeer {
            if let known = peers[peer.key] { return known }
            var newcomer = ModelPeer(peer, at: now, source: source)
            if let stone = tombstones[peer.key] {
                newcomer.backoff = BackoffState(
                    streakMilli: stone.streakMilli, streakAt: stone.droppedAt, lastClass: stone.lastClass,
                    notBefore: stone.notBefore, waitMilliseconds: stone.waitMilliseconds)
            }
            return newcomer
        }
        switch event {
        case .heard(let peer, let addresses, let source, let now):
            var entry = known(peer, source, now)
            entry.hear(addresses, source, at: now)
            peers[peer.key] = entry
        case .answered(let peer, let address, let rtt, let now):
            var entry = known(peer, nil, now)
            entry.answer(address, rtt: rtt, at: now)
            peers[peer.key] = entry
            tombstones[peer.key] = nil
        case .identified(let peer, let agent, let protocols, let now):
            var entry = known(peer, nil, now)
            entry.identify(agent, protocols, at: now)
            peers[peer.key] = entry
        case .failed(let peer, let address, let failureClass, let now):
            peers[peer.key]?.fail(address, failureClass, at: now)
        case .backoff(let peer, let state): peers[peer.key]?.backoff = state
        case .forgotten(let peer, let stone):
            peers[peer.key] = nil
            if let stone { tombstones[peer.key] = stone }
        default: break
        }
    }

    /// Held failures and contacts are of peers that are there when the batch is done.
    private mutating func takeHeld(_ events: [StoreEvent]) {
        for event in events {
            switch event {
            case .held(let failure): held[failure.key] = failure
            case .settled(let key): held[key] = nil
            case .forgotten(let peer, _): held[peer.key] = nil
            default: break
            }
        }
        dropOrphans()
    }

    /// What hangs on peers goes with them.
    mutating func dropOrphans() {
        held = held.filter { peers[$0.key] != nil }
        for place in buckets.keys {
            buckets[place]?.live.removeAll { peers[$0.key] == nil }
            buckets[place]?.replacements.removeAll { peers[$0.key] == nil }
        }
    }

    private mutating func takeCandidate(_ event: StoreEvent) {
        switch event {
        case .candidateHeard(let address, let source, let now):
            let known =
                candidates[address] ?? Candidate(address: address, firstSeen: now, lastSeen: now, source: source)
            candidates[address] = Candidate(
                address: address, firstSeen: min(known.firstSeen, now), lastSeen: max(known.lastSeen, now),
                lastTried: known.lastTried, tries: known.tries, source: known.source)
        case .candidateTried(let address, let now):
            guard var known = candidates[address] else { return }
            known.tries += 1
            known.lastTried = [known.lastTried, now].compactMap { $0 }.max()
            candidates[address] = known
        case .candidateForgotten(let address): candidates[address] = nil
        default: break
        }
    }

    /// The last word on each bucket counts. A contact is in one bucket of an identity: where it came last.
    private mutating func takeBuckets(_ events: [StoreEvent]) {
        var latest: [(place: Place, bucket: BucketSnapshot)] = []
        for case .bucket(let bucket, let identity) in events {
            let place = Place(identity: identity, index: bucket.index)
            latest.removeAll { $0.place == place }
            latest.append((place, bucket))
        }
        for (place, bucket) in latest where identities.contains(where: { $0.number == place.identity }) {
            buckets[place] = BucketSnapshot(
                index: place.index, refreshedAt: bucket.refreshedAt, live: [], replacements: [])
            for (contacts, isLive) in [(bucket.live, true), (bucket.replacements, false)] {
                for contact in contacts {
                    for other in buckets.keys where other.identity == place.identity {
                        buckets[other]?.live.removeAll { $0.key == contact.key }
                        buckets[other]?.replacements.removeAll { $0.key == contact.key }
                    }
                    guard peers[contact.key] != nil else { continue }
                    if isLive {
                        buckets[place]?.live.append(contact)
                    } else {
                        buckets[place]?.replacements.append(contact)
                    }
                }
            }
        }
    }

    private mutating func takeRest(_ event: StoreEvent) {
        switch event {
        case .clock(let mark):
            let water = clock.map { max($0.highWater, mark.highWater) } ?? mark.highWater
            clock = ClockMark(
                highWater: mark.isCorrection ? mark.highWater : water,
                onlineMilliseconds: max(clock?.onlineMilliseconds ?? 0, mark.onlineMilliseconds), bootID: mark.bootID,
                bootedAt: mark.bootedAt)
            if mark.isCorrection { online.clamp(to: mark.highWater) }
        case .online(let start, let end): online.record(from: start, to: end)
        case .witnesses(let latest, let canary): (witnesses, canaryAt) = (latest, canary)
        case .lookedUp(var summary):
            if !identities.contains(where: { $0.number == summary.identity }) { summary.identity = nil }
            lookups.append(summary)
            var totals = lookupTotals[summary.reason] ?? LookupTotals(reason: summary.reason)
            totals.lookups += 1
            totals.milliseconds += summary.milliseconds
            totals.queries += summary.queries
            totals.answers += summary.answers
            totals.failures += summary.failures
            totals.timeouts += summary.timeouts
            totals.skipped += summary.skipped
            lookupTotals[summary.reason] = totals
        default: break
        }
    }

    private mutating func takeVisits(_ events: [StoreEvent]) {
        guard let running = runningCrawl else { return }
        for case .visited(let key, let outcome, _, running.number) in events {
            if let before = visits[key] { crawls[crawls.count - 1].peers[before, default: 0] -= 1 }
            visits[key] = outcome
            crawls[crawls.count - 1].peers[outcome, default: 0] += 1
        }
        crawls[crawls.count - 1].peers = crawls[crawls.count - 1].peers.filter { $0.value > 0 }
    }

    /// None a week older than the newest, four weeks where it tells of misbehaviour.
    mutating func limitTombstones(_ newest: Instant) {
        tombstones = tombstones.filter { _, stone in
            let isMisbehaviour = [.badResponse, .identityMismatch].contains(stone.lastClass)
            return newest.milliseconds - stone.droppedAt.milliseconds <= (isMisbehaviour ? 28 : 7) * 86_400_000
        }
    }
}
