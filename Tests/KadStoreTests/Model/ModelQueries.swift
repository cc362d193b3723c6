import Kademlia
import Multiformats

@testable import KadStore

/// What the model answers when it is asked: by looking at everything.
extension ModelState {
    var inKeyOrder: [ModelPeer] {
        peers.values.sorted { $0.peer.key.bytes().lexicographicallyPrecedes($1.peer.key.bytes()) }
    }

    /// All peers that pass, nearest first.
    func nearest(to target: Key, _ filter: PeerFilter) -> [ModelPeer] {
        func distance(_ peer: ModelPeer) -> [UInt8] { zip(peer.peer.key.bytes(), target.bytes()).map { $0 ^ $1 } }
        return peers.values.filter { Self.accepts(filter, $0) }
            .sorted { distance($0).lexicographicallyPrecedes(distance($1)) }
    }

    static func accepts(_ filter: PeerFilter, _ peer: ModelPeer) -> Bool {
        switch filter {
        case .all: return true
        case .not(let other): return !accepts(other, peer)
        case .every(let others): return !others.contains { !accepts($0, peer) }
        case .any(let others): return others.contains { accepts($0, peer) }
        case .seen(let since): return peer.lastSeen >= since
        case .answered(let since): return peer.lastOK.map { $0 >= since } ?? false
        case .everAnswered: return peer.lastOK != nil
        case .dialable(let now): return peer.remaining(at: now) == 0
        case .standing(let standing): return peer.standing == standing
        case .breaker(let breaker): return (peer.backoff?.breaker ?? .closed) == breaker
        case .hasAddress: return !peer.addresses.isEmpty
        case .inGroup(let group):
            return peer.addresses.keys.contains {
                [$0.networkGroup(private: false), $0.networkGroup(private: true)].contains(group)
            }
        case .agent(let text): return peer.agent?.contains(text) ?? false
        case .speaks(let name): return peer.protocols.contains(name)
        case .source(let name): return peer.source == name
        case .sharesPrefix(let length, let key):
            let shared = zip(peer.peer.key.bytes(), key.bytes()).map { $0 ^ $1 }
            let bits = shared.flatMap { byte in (0..<8).map { byte >> UInt8(7 - $0) & 1 } }
            return bits.prefix { $0 == 0 }.count == length
        case .excluding(let keys): return !keys.contains(peer.peer.key)
        }
    }

    func isContact(_ key: Key) -> Bool {
        buckets.values.contains { ($0.live + $0.replacements).contains { $0.key == key } }
    }

    /// What pruning does, and the report of it.
    mutating func prune(_ rules: PruneRules, at now: Instant) -> PruneReport {
        var report = PruneReport()
        if !rules.conditions.isEmpty || rules.keep != nil {
            report.examined = peers.count
            let chosen = inKeyOrder.filter { peer in rules.conditions.allSatisfy { Self.meets($0, peer) } }
            report.contactsKept = chosen.count { isContact($0.peer.key) }
            let free = chosen.filter { !isContact($0.peer.key) }
            // Whom a node would miss most stays; of equals those with the lower keys.
            let ranked = free.sorted { Self.rank($0, at: now).lexicographicallyPrecedes(Self.rank($1, at: now)) }
            let going = ranked.dropFirst(rules.keep ?? 0)
            for peer in going {
                peers[peer.peer.key] = nil
                report.peers += 1
                guard let stone = Tombstone(of: peer.record, at: now) else { continue }
                tombstones[peer.peer.key] = stone
                report.tombstonesLeft += 1
            }
            if report.tombstonesLeft > 0 { limitTombstones(now) }
            dropOrphans()
        }
        if let before = rules.candidatesNotSeenSince {
            report.candidates = candidates.values.count { $0.lastSeen < before }
            candidates = candidates.filter { $0.value.lastSeen >= before }
        }
        if let before = rules.tombstonesBefore {
            report.tombstones = tombstones.values.count { $0.droppedAt < before }
            tombstones = tombstones.filter { $0.value.droppedAt >= before }
        }
        if let end = rules.expiredBy {
            report.expired = values.sweep(at: end)
        }
        return report
    }

    /// A dry run does not foresee what pruning itself brings: tombstones that it leaves or takes over their bound, and values
    /// that only expire once they are stamped anew.
    func foreseen(_ report: PruneReport, _ rules: PruneRules) -> PruneReport {
        var report = report
        report.tombstones = tombstones.values.count { stone in
            rules.tombstonesBefore.map { stone.droppedAt < $0 } ?? false
        }
        report.expired = values.expired(at: rules.expiredBy)
        return report
    }

    private static func meets(_ condition: PruneRules.Condition, _ peer: ModelPeer) -> Bool {
        switch condition {
        case .matches(let filter): accepts(filter, peer)
        case .notSeen(let since): peer.lastSeen < since
        case .neverAnswered: peer.lastOK == nil
        case .failing(let times): peer.failuresInARow >= times
        case .unroutable: !peer.addresses.keys.contains { Scope.private.admits($0) }
        }
    }

    /// Standing first, then failures, then how long it was not seen; of equals the lower key.
    private static func rank(_ peer: ModelPeer, at now: Instant) -> [UInt64] {
        let failures = peer.failuresInARow
        return [
            (peer.lastOK == nil ? 2 : 0) + (failures > 0 ? 1 : 0), UInt64(failures),
            UInt64(max(0, now.milliseconds - peer.lastSeen.milliseconds)),
            peer.peer.key.word0, peer.peer.key.word1, peer.peer.key.word2, peer.peer.key.word3,
        ]
    }

    /// - Returns: of how many, peers or tombstones, there was something to forgive.
    mutating func forgive(_ keys: some Collection<Key>) -> Int {
        var count = 0
        for key in keys {
            var hadAnything = held[key] != nil
            if let peer = peers[key] {
                var cleared = peer
                cleared.forgive()
                hadAnything = hadAnything || cleared != peer
                peers[key] = cleared
            }
            held[key] = nil
            if tombstones.removeValue(forKey: key) != nil { hadAnything = true }
            if hadAnything { count += 1 }
        }
        return count
    }

    mutating func load(_ imported: [ImportedPeer], _ addresses: [Candidate], _ options: BulkOptions, width: Int)
        -> BulkSummary
    {
        var summary = BulkSummary()
        let before = self
        for foreign in imported {
            guard let key = Key(bytes: Array(foreign.id.bytes) + [UInt8](repeating: 0, count: 32 - width)) else {
                continue
            }
            var peer =
                peers[key]
                ?? ModelPeer(
                    Peer(id: foreign.id, key: key), at: foreign.firstSeen ?? foreign.lastSeen ?? options.now,
                    source: foreign.source)
            peer.merge(foreign, trusting: options.trustsHistory)
            peers[key] = peer
        }
        for told in addresses {
            let stored = before.candidates[told.address]
            var known =
                candidates[told.address]
                ?? Candidate(
                    address: told.address, firstSeen: told.firstSeen, lastSeen: told.lastSeen, source: told.source)
            if stored == nil || told.lastSeen != options.now {
                known.firstSeen = min(known.firstSeen, told.firstSeen)
                known.lastSeen = max(known.lastSeen, told.lastSeen)
            }
            if options.trustsHistory {
                known.tries = max(known.tries, told.tries)
                known.lastTried = [known.lastTried, told.lastTried].compactMap { $0 }.max()
            }
            candidates[told.address] = known
        }
        for (key, peer) in peers where imported.contains(where: { Array($0.id.bytes) == key.bytes(count: width) }) {
            summary.peers.note(before.peers[key], peer)
        }
        for (address, candidate) in candidates where addresses.contains(where: { $0.address == address }) {
            summary.candidates.note(before.candidates[address], candidate)
        }
        if options.isDryRun { self = before } else { peerCap = max(peerCap, Int64(peers.count)) }
        return summary
    }

    mutating func beginCrawl(anew isNew: Bool, at now: Instant) -> (crawl: Crawl, isResumed: Bool) {
        if !isNew, let running = runningCrawl { return (running, true) }
        endCrawl(isComplete: false, at: now)
        crawls.append(Crawl(number: Int64(crawls.count + 1), startedAt: now))
        return (crawls[crawls.count - 1], false)
    }

    mutating func endCrawl(isComplete: Bool, at now: Instant) {
        guard let running = runningCrawl else { return }
        crawls[crawls.count - 1].endedAt = max(now, running.startedAt)
        crawls[crawls.count - 1].isComplete = isComplete
        visits = [:]
    }
}
