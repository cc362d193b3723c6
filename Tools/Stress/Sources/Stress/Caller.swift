import KadStore
import Kademlia
import Multiformats

/// One task: calls at random until its store is closed.
struct Caller: Sendable {
    let store: Store
    let path: String
    let seed: UInt64

    /// - Returns: how many calls were made.
    func run() async throws -> Int {
        var random = SeededGenerator(seed: seed)
        var calls = 0
        while true {
            do {
                let number = Int.random(in: 0...99, using: &random)
                if number < 45 {
                    try record(&random)
                } else if number < 85 {
                    try read(&random)
                } else if number < 97 {
                    try await write(&random)
                } else {
                    try await maintain(&random, calls)
                }
                calls += 1
            } catch StoreError.closed {
                return calls
            } catch StoreError.backlog {
                await Task.yield()
            } catch StoreError.locked {
                await Task.yield()
            } catch StoreError.interrupted {
            } catch {
                throw StressFault(what: "\(error)")
            }
        }
    }

    // MARK: What is told

    private var now: Instant { Instant.systemClock() }

    private func peer(_ random: inout SeededGenerator) throws -> Peer {
        let digest = [UInt8](repeating: 7, count: 31) + [UInt8.random(in: 0..<200, using: &random)]
        guard let id = PeerID([0, 36, 8, 1, 18, 32] + digest) else { throw StressFault(what: "no id") }
        return try store.peer(id)
    }

    private func address(_ random: inout SeededGenerator) -> Multiaddr {
        Multiaddr(ip: .v4(0x0a00_0000 | UInt32.random(in: 0..<600, using: &random)), tcp: 4001)
    }

    private func key(_ random: inout SeededGenerator) -> [UInt8] { [1, UInt8.random(in: 0..<20, using: &random)] }

    private func record(_ random: inout SeededGenerator) throws {
        let peer = try peer(&random)
        let at = now
        switch Int.random(in: 0...16, using: &random) {
        case 0...3: try store.record(.heard(peer, addresses: [address(&random)], source: "stress", at: at))
        case 4...5: try store.record(.answered(peer, address: address(&random), rtt: 900, at: at))
        case 6: try store.record(.identified(peer, agent: "a\(peer.key.word3 % 9)", protocols: ["/p"], at: at))
        case 7:
            try store.record(.failed(peer, address: address(&random), .timeout, at: at))
            try store.record(.backoff(peer, BackoffState(streakMilli: 1_000, streakAt: at, lastClass: .timeout)))
        case 8: try store.record(.forgotten(peer, leaving: Tombstone(key: peer.key, droppedAt: at)))
        case 9: try store.record(.candidateHeard(address(&random), source: nil, at: at))
        case 10: try store.record(.clock(ClockMark(highWater: at)))
        case 11: try store.record(.online(from: at, to: at.advanced(byMilliseconds: 9)))
        case 12: try store.record(.held(OutageGuard.Held(key: peer.key, group: nil, failureClass: .reset, at: at)))
        case 13: try store.record(.lookedUp(LookupSummary(finishedAt: at, reason: .complete, queries: 3)))
        case 14:
            let value = StoredValue(
                key: key(&random), value: [9, 9], receivedAt: at, expiresAt: at.advanced(byMilliseconds: 40),
                isOwn: Bool.random(using: &random))
            try store.record(.valueStored(value))
        case 15:
            let provider = StoredProvider(
                key: key(&random), peer: peer, addresses: [address(&random)], receivedAt: at,
                expiresAt: at.advanced(byMilliseconds: 40))
            try store.record(.providerStored(provider))
        default: try store.record(.visited(peer.key, .answered, at: at, crawl: 1))
        }
    }

    // MARK: What is asked

    private func read(_ random: inout SeededGenerator) throws {
        let peer = try peer(&random)
        switch Int.random(in: 0...24, using: &random) {
        case 0: _ = try store.record(of: peer.key)
        case 1: _ = try store.nearest(to: peer.key, count: 20, where: .not(.breaker(.open)))
        case 2:
            let page = try store.nearest(to: peer.key, count: 5)
            if let next = page.next { _ = try store.nearest(to: peer.key, count: 5, after: next) }
        case 3: _ = try store.peers(after: peer.key, limit: 50, where: .everAnswered)
        case 4: _ = try store.candidates(limit: 50)
        case 5: _ = try store.tombstones(limit: 50)
        case 6: _ = try store.clock()
        case 7: _ = try store.heldFailures()
        case 8: _ = try store.witnesses()
        case 9: _ = try store.sessions()
        case 10: _ = try store.lookupStatistics()
        case 11: _ = try store.peerCount()
        case 12: _ = try store.countPeers()
        case 13: _ = try store.sample(at: peer.key, count: 8)
        case 14: _ = store.probeOrder(of: peer.key)
        case 15: _ = try store.value(key(&random))
        case 16: _ = try store.providers(of: key(&random))
        case 17: _ = try store.ownValues(limit: 9)
        case 18: _ = try store.ownProviders(limit: 9)
        case 19: _ = (try store.holdings(), try store.isHalfFull())
        case 20: _ = (try store.runningCrawl(), try store.crawls())
        case 21: _ = (try store.visit(of: peer.key), try store.unvisited(limit: 40))
        case 22: _ = (store.foreignCommits(), store.commitFault, store.peerCap)
        case 23:
            for identity in try store.identities() {
                _ = try store.routingTable(of: identity, configuration: store.tableConfiguration)
            }
        default: _ = (store.network, store.scope, store.createdAt, store.upgradedFrom)
        }
    }

    // MARK: What writes, and what takes long

    private func write(_ random: inout SeededGenerator) async throws {
        let peer = try peer(&random)
        switch Int.random(in: 0...9, using: &random) {
        case 0...2: try await store.flush()
        case 3: _ = try await store.identity(peer.id)
        case 4: try await store.forgive(peer.key)
        case 5: try await store.sweepValues(at: now)
        case 6: _ = try await store.raisePeerCap(to: 65_537 + Int64.random(in: 0..<99, using: &random))
        case 7:
            let crawl = try await store.beginCrawl(anew: Bool.random(using: &random), at: now)
            if Bool.random(using: &random) { try await store.endCrawl(crawl.crawl.number, isComplete: true, at: now) }
        case 8:
            let identity = try await store.identity(peer.id)
            let other = try self.peer(&random)
            let contact = Contact(key: other.key, networkGroup: nil, firstSeen: now, lastSeen: now)
            let live = other.key == identity.peer.key ? [] : [contact]
            let bucket = BucketSnapshot(index: 0, refreshedAt: now, live: live, replacements: [])
            try store.record(.bucket(bucket, identity: identity.number))
        default: _ = try await store.checkpoint()
        }
    }

    private func maintain(_ random: inout SeededGenerator, _ number: Int) async throws {
        switch Int.random(in: 0...9, using: &random) {
        case 0: _ = try await store.statistics()
        case 1:
            let report = try await store.check()
            guard report.problems.isEmpty else { throw StressFault(what: "\(report.problems)") }
        case 2: try await store.recount()
        case 3:
            var rules = PruneRules()
            (rules.keep, rules.expiredBy) = (150, now)
            _ = try await store.prune(rules, isDryRun: Bool.random(using: &random))
        case 4: try await store.forgiveAll()
        case 5: _ = try await store.vacuum()
        case 6: try await store.backup(to: "\(path).\(seed)-\(number)")
        case 7:
            let loader = try store.bulkLoader(BulkOptions(now: now))
            for _ in 0..<20 {
                let address = ImportedPeer.Address(address(&random))
                try loader.add(ImportedPeer(id: try peer(&random).id, addresses: [address], source: "load"))
            }
            _ = try await loader.finish()
        case 8: _ = try await store.survey()
        default:
            // A task that is cancelled in the middle of something long.
            let (store, to) = (store, "\(path).\(seed)-\(number)-cancelled")
            let task = Task { _ = try await store.backup(to: to) }
            task.cancel()
            do { try await task.value } catch StoreError.interrupted {}
        }
    }
}
