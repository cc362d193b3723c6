import Kademlia
import Multiformats

/// Something that a node observed or decided. Queued by ``Store/record(_:)``, visible to every later read at once,
/// written in batches.
public enum StoreEvent: Hashable, Sendable {
    /// Somebody told of a peer.
    case heard(Peer, addresses: [Multiaddr], source: String?, at: Instant)
    /// A peer answered; `rtt` in microseconds.
    case answered(Peer, address: Multiaddr?, rtt: Int64?, at: Instant)
    /// A peer told its agent and protocols.
    case identified(Peer, agent: String?, protocols: [String], at: Instant)
    /// A dial or request failed. Of a peer that the store does not know, nothing is kept.
    case failed(Peer, address: Multiaddr?, FailureClass, at: Instant)
    /// The failure memory's decision; nil forgives.
    case backoff(Peer, BackoffState?)
    /// A peer is dropped, with or without a tombstone.
    case forgotten(Peer, leaving: Tombstone?)
    /// A bucket of an identity's table has changed: it replaces what was stored of it.
    case bucket(BucketSnapshot, identity: Int64)
    /// Somebody told of an address without an id.
    case candidateHeard(Multiaddr, source: String?, at: Instant)
    /// A candidate was asked.
    case candidateTried(Multiaddr, at: Instant)
    /// A candidate turned out to be a peer, or to be gone.
    case candidateForgotten(Multiaddr)
    /// Time goes by. A mark that corrects an earlier one may lower the high water, and cuts off sessions behind it.
    case clock(ClockMark)
    /// The outage guard holds a failure, or holds it in another state. Of a peer that the store does not know, nothing is
    /// kept.
    case held(OutageGuard.Held)
    /// The failure of a peer that the outage guard held is counted or discarded.
    case settled(Key)
    /// The outage guard's witnesses, at most two, and when a canary was last asked: they replace what was stored.
    case witnesses([OutageGuard.Witness], canaryAt: Instant?)
    /// A node was running from the first instant to the second: extends what is stored of the session.
    case online(from: Instant, to: Instant)
    /// A lookup has finished.
    case lookedUp(LookupSummary)
    /// A value is kept for the network, or was published here. One that others sent takes the place of none of ours: that
    /// has to be withdrawn first.
    case valueStored(StoredValue)
    /// A value goes: ours is withdrawn by it.
    case valueForgotten([UInt8])
    /// Somebody provides a key, or this node does. What others said takes the place of nothing of ours.
    case providerStored(StoredProvider)
    /// A provider of a key goes: ours is withdrawn by it.
    case providerForgotten([UInt8], peer: Key)
    /// The crawl of that number is done with a peer, known or not. Of a crawl that has ended nothing is kept.
    case visited(Key, VisitOutcome, at: Instant, crawl: Int64)

    /// The key of the peer that the event is of, where it is of one.
    var key: Key? {
        switch self {
        case .heard(let peer, _, _, _), .answered(let peer, _, _, _), .identified(let peer, _, _, _),
            .failed(let peer, _, _, _), .backoff(let peer, _), .forgotten(let peer, _):
            peer.key
        case .held(let held): held.key
        case .settled(let key): key
        case .bucket, .candidateHeard, .candidateTried, .candidateForgotten, .clock, .witnesses, .online, .lookedUp,
            .valueStored, .valueForgotten, .providerStored, .providerForgotten, .visited:
            nil
        }
    }

    var candidate: Multiaddr? {
        switch self {
        case .candidateHeard(let address, _, _), .candidateTried(let address, _), .candidateForgotten(let address):
            address
        default: nil
        }
    }
}

extension StoreEvent {
    /// What the event makes of a peer's record; nil is a peer that the store does not have.
    ///
    /// - Parameter tombstone: asked for when the event brings a peer into the store.
    func apply(to record: inout PeerRecord?, tombstone: (Key) throws -> Tombstone?) rethrows {
        switch self {
        case .heard(let peer, let addresses, let source, let now):
            try Self.appear(&record, peer, source, now, tombstone)
            record?.hear(addresses, source: source, at: now)
        case .answered(let peer, let address, let rtt, let now):
            try Self.appear(&record, peer, nil, now, tombstone)
            record?.answer(from: address, rtt: rtt, at: now)
        case .identified(let peer, let agent, let protocols, let now):
            try Self.appear(&record, peer, nil, now, tombstone)
            record?.identify(agent: agent, protocols: protocols, at: now)
        case .failed(_, let address, let failureClass, let now):
            record?.fail(at: address, failureClass, at: now)
        case .backoff(_, let state): record?.backoff = state
        case .forgotten: record = nil
        case .bucket, .candidateHeard, .candidateTried, .candidateForgotten, .clock, .held, .settled, .witnesses,
            .online, .lookedUp, .valueStored, .valueForgotten, .providerStored, .providerForgotten, .visited:
            break
        }
    }

    private static func appear(
        _ record: inout PeerRecord?, _ peer: Peer, _ source: String?, _ now: Instant,
        _ tombstone: (Key) throws -> Tombstone?
    ) rethrows {
        guard record == nil else { return }
        var newcomer = PeerRecord(peer: peer, firstSeen: now, source: source)
        if let stone = try tombstone(peer.key) {
            newcomer.backoff = BackoffState(
                streakMilli: stone.streakMilli, streakAt: stone.droppedAt, lastClass: stone.lastClass,
                notBefore: stone.notBefore, waitMilliseconds: stone.waitMilliseconds)
        }
        record = newcomer
    }

    /// What the event leaves of its peer's tombstone: `.some(nil)` takes it away, nil leaves it as it is.
    var tombstone: Tombstone?? {
        switch self {
        case .forgotten(_, let left?): .some(left)
        case .answered: .some(nil)
        default: nil
        }
    }

    /// What the event leaves of its peer's held failure: `.some(nil)` takes it away, nil leaves it as it is.
    var held: OutageGuard.Held?? {
        switch self {
        case .held(let held): .some(held)
        case .settled, .forgotten: .some(nil)
        default: nil
        }
    }

    /// Why the event cannot be written, whatever the store holds; nil when it can.
    func fault(in network: Network) -> String? {
        switch self {
        case .bucket(let snapshot, _) where !(0..<network.keyBits).contains(snapshot.index):
            "a table of \(network.keyBits)-bit keys has no bucket \(snapshot.index)"
        case .forgotten(let peer, let stone?) where stone.key != peer.key: "the tombstone is of another peer"
        case .held(let held) where held.count < 1: "a held failure of \(held.count) attempts"
        case .held, .settled: key.flatMap { Self.fault(inKey: $0, network) }
        case .witnesses(let witnesses, _) where witnesses.count > 2: "\(witnesses.count) witnesses, two are kept"
        case .online(let start, let end) where end < start: "a session that ends before it starts"
        case .lookedUp(let summary): summary.contradiction
        case .providerStored(let provider): Self.fault(inKey: provider.peer.key, network)
        case .providerForgotten(_, let peer): Self.fault(inKey: peer, network)
        case .visited(let key, _, _, _): Self.fault(inKey: key, network)
        default: nil
        }
    }

    private static func fault(inKey key: Key, _ network: Network) -> String? {
        key == key.lowerBound(prefix: network.keyBits)
            ? nil : "the key is wider than the \(network.keyBits)-bit keys of this network"
    }

    /// What the event makes of the mark of time. A correction is one for whoever takes it in: what follows from it, and is
    /// stored, corrects nothing any more.
    func apply(to clock: inout ClockMark?) {
        guard case .clock(let mark) = self else { return }
        var latest = clock?.followed(by: mark) ?? mark
        latest.isCorrection = false
        clock = latest
    }

    /// What the event makes of the sessions. When the clock had been ahead, what is dated after the corrected time goes.
    func apply(to online: inout OnlineTime) {
        switch self {
        case .online(let start, let end): online.record(from: start, to: end)
        case .clock(let mark) where mark.isCorrection: online.clamp(to: mark.highWater)
        default: break
        }
    }

    /// What the event makes of a candidate.
    func apply(to candidate: inout Candidate?) {
        switch self {
        case .candidateHeard(let address, let source, let now):
            var known = candidate ?? Candidate(address: address, firstSeen: now, lastSeen: now, source: source)
            known.firstSeen = min(known.firstSeen, now)
            known.lastSeen = max(known.lastSeen, now)
            candidate = known
        case .candidateTried(_, let now):
            guard var known = candidate else { return }
            known.tries = known.tries.addingSaturated(1)
            known.lastTried = max(known.lastTried ?? now, now)
            candidate = known
        case .candidateForgotten: candidate = nil
        default: break
        }
    }
}
