import KadStore
import Kademlia
import Multiformats

/// A lookup that runs, and for whom.
struct RunningLookup {
    enum Purpose: Hashable {
        /// Somebody who follows its events.
        case caller
        /// The table: a bucket's range is searched, or one's own neighbourhood.
        case table(bucket: Int?)
    }

    var lookup: Lookup
    let target: LookupTarget
    let asking: LookupSubject
    let purpose: Purpose

    /// What each peer on the way is asked.
    var request: Request {
        switch asking {
        case .peers: .findNode(target)
        case .value: .getValue(target.wireBytes)
        case .providers: .getProviders(target.wireBytes)
        }
    }
}

extension NodeEngine {
    /// Searches for the k peers nearest to a target. Its events come as actions; what it learns is in the store as it
    /// learns it, so one that a crash cuts off starts from there when it is asked for again.
    public func lookup(
        _ target: LookupTarget, options: LookupOptions = LookupOptions(), at time: Time
    ) -> (LookupID, [Action]) {
        var id = LookupID(number: 0)
        let actions = handle(time) {
            id = beginLookup(
                target, options.configuration ?? configuration.lookup, asking: options.asking, for: .caller)
        }
        return (id, actions)
    }

    /// Ends a lookup. Its calls are cancelled, and its last event says so.
    public func cancel(_ id: LookupID, at time: Time) -> [Action] {
        handle(time) { cancelLookup(id) }
    }

    @discardableResult
    func beginLookup(
        _ target: LookupTarget, _ configuration: Lookup.Configuration, asking: LookupSubject = .peers,
        for purpose: RunningLookup.Purpose
    ) -> LookupID {
        lastLookup += 1
        let id = LookupID(number: lastLookup)
        let lookup = Lookup(
            target: target.key, localKey: identity.peer.key, configuration: configuration,
            population: population.estimate)
        lookups[id] = RunningLookup(lookup: lookup, target: target, asking: asking, purpose: purpose)
        if !named.isEmpty { carryOut(lookups[id]?.lookup.offered(named.sorted(), at: uptime), for: id) }
        carryOut(lookups[id]?.lookup.start(at: uptime), for: id)
        return id
    }

    func cancelLookup(_ id: LookupID) {
        carryOut(lookups[id]?.lookup.cancel(at: uptime), for: id)
    }

    func tickLookups() {
        let due = lookups.filter { $0.value.lookup.nextTick.map { $0 <= uptime } ?? false }.keys.sorted()
        for id in due { carryOut(lookups[id]?.lookup.tick(at: uptime), for: id) }
    }

    func lookupAnswered(_ id: LookupID, _ peer: Peer, _ rtt: Int64, _ reply: ReplyScreen.Screened) {
        guard lookups[id] != nil else { return }
        let named = reply.named
        tell(id, .answered(peer, named: named.count, rttMicroseconds: rtt))
        if reply.content != .none { tell(id, .found(peer, reply.content)) }
        // A node that has just started learns in its first lookup how long to wait for strangers.
        lookups[id]?.lookup.population = population.estimate
        let peers = Dictionary(named.map { ($0.peer.key, $0.peer) }) { first, _ in first }
        carryOut(
            lookups[id]?.lookup.answered(peer.key, naming: named.lazy.map(\.peer.key), at: uptime), for: id, peers)
    }

    func lookupFailed(_ id: LookupID, _ peer: Peer, _ failureClass: FailureClass) {
        guard lookups[id] != nil else { return }
        tell(id, .failed(peer, failureClass))
        carryOut(lookups[id]?.lookup.failed(peer.key, failureClass, at: uptime), for: id)
    }

    /// What the lookup decided. Deciding goes on while peers are passed over, so this is a queue, not a recursion.
    ///
    /// - Parameter peers: those that the directives may name, by their keys.
    private func carryOut(_ first: [Lookup.Directive]?, for id: LookupID, _ peers: [Key: Peer] = [:]) {
        var queue = first ?? []
        var peers = peers
        var position = 0
        while position < queue.count {
            let directive = queue[position]
            position += 1
            switch directive {
            case .query(let key): queue += query(key, for: id)
            case .refill(let token, let count): queue += refill(token, count, for: id, &peers)
            case .closer(let key):
                if let peer = peers[key] { tell(id, .closer(peer)) }
            case .expired(let key):
                if let call = calls.find(key, for: .lookup(id)) { expire(call) }
            case .abandon(let key):
                if let call = calls.find(key, for: .lookup(id)) { cancelCall(call) }
            case .finished(let reason): finishLookup(id, reason)
            }
        }
    }

    private func query(_ key: Key, for id: LookupID) -> [Lookup.Directive] {
        // A lookup that ended while the peers before this one were passed over wants nobody any more.
        guard lookups[id]?.lookup.isAwaiting(key) == true, let request = lookups[id]?.request else { return [] }
        guard let record = recall(key), let addresses = admit(record) else {
            return lookups[id]?.lookup.skipped(key, at: uptime) ?? []
        }
        let known = configuration.usesHistory ? record.rtt : nil
        guard let times = lookups[id]?.lookup.dispatched(key, rtt: known, at: uptime) else { return [] }
        tell(id, .queried(record.peer))
        call(record.peer, at: addresses, request, for: .lookup(id), until: times.deadline)
        return []
    }

    /// More candidates, from the store's index: exact, nearest first, without those that wait for a backoff to end.
    private func refill(
        _ token: Lookup.RefillToken, _ count: Int, for id: LookupID, _ peers: inout [Key: Peer]
    ) -> [Lookup.Directive] {
        guard let target = lookups[id]?.target.key else { return [] }
        var keys: [Key] = []
        var reached: Distance?
        do {
            let after = token.after.map { NearestToken(target: target, distance: $0) }
            let filter: PeerFilter =
                configuration.usesHistory ? .every([.hasAddress, .dialable(at: now)]) : .hasAddress
            let page = try store.nearest(
                to: target, count: min(max(1, count), Store.maximumPageCount), where: filter, after: after)
            for near in page.peers {
                keys.append(near.key)
                peers[near.key] = near.peer
            }
            reached = page.next?.distance
        } catch {
            upkeep.health.failed(error, &actions)
        }
        return lookups[id]?.lookup.refilled(token, with: keys, reached: reached, at: uptime) ?? []
    }

    private func finishLookup(_ id: LookupID, _ reason: Lookup.FinishReason) {
        guard let running = lookups.removeValue(forKey: id) else { return }
        let statistics = running.lookup.statistics
        let owner = configuration.isGuest ? nil : identity.number
        remember(.lookedUp(LookupSummary(statistics, reason: reason, identity: owner, at: now)))
        switch running.purpose {
        case .caller:
            let closest = running.lookup.closest.compactMap { key in
                recall(key).map { FoundPeer(peer: $0.peer, addresses: $0.addresses.map(\.address)) }
            }
            actions.append(.event(id, .finished(reason, statistics, closest: closest)))
        case .table(let bucket):
            refreshEnded(bucket: bucket, isDone: reason != .cancelled && statistics.answers > 0)
        }
    }

    private func tell(_ id: LookupID, _ event: LookupEvent) {
        guard lookups[id]?.purpose == .caller else { return }
        actions.append(.event(id, event))
    }
}

extension LookupSummary {
    /// What is kept of a lookup: costs and end, never the target.
    init(_ statistics: LookupStatistics, reason: Lookup.FinishReason, identity: Int64?, at now: Instant) {
        self.init(
            identity: identity, finishedAt: now, reason: reason,
            milliseconds: statistics.milliseconds, queries: statistics.queries, answers: statistics.answers,
            failures: statistics.failures, timeouts: statistics.timeouts, skipped: statistics.skipped,
            slow: statistics.slow, refills: statistics.refills, hops: statistics.hops, offered: statistics.offered,
            entered: statistics.entered, distances: statistics.distances, peakFrontier: statistics.peakFrontier)
    }
}
