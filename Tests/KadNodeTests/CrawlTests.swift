import KadEngine
import KadStore
import Kademlia
import Multiformats
import Synchronization
import Testing

@testable import KadNode

/// A network of peers with k-buckets, who know some of each other.
final class Web: Sendable {
    struct Node: Sendable {
        let peer: Peer
        let address: Multiaddr
        /// Whom it knows.
        var table: [Int]
    }

    let nodes: [Node]
    let dead: Set<Key>
    private let places: [Key: Int]
    private let log = Mutex((asked: [Key: Int](), running: Set<Key>(), most: 0))

    /// - Parameter k: the capacity of a bucket.
    init(count: Int, k: Int = 20, dead deadCount: Int = 0, seed: UInt64) throws {
        var generator = SeededGenerator(seed: seed)
        var nodes = try (0..<count).map { number in
            let digest = (0..<32).map { _ in UInt8.random(in: .min ... .max, using: &generator) }
            let id = try #require(PeerID([0x12, 0x20] + digest))
            return Node(
                peer: Peer(id: id, key: try Network.libp2p.key(of: id)),
                address: try Multiaddr("/ip4/10.0.\(number / 250).\(number % 250)/tcp/4001"), table: [])
        }
        for index in nodes.indices {
            var buckets: [Int: Int] = [:]
            for other in nodes.indices.shuffled(using: &generator) where other != index {
                let bucket = nodes[index].peer.key.commonPrefixLength(with: nodes[other].peer.key)
                guard buckets[bucket, default: 0] < k else { continue }
                buckets[bucket, default: 0] += 1
                nodes[index].table.append(other)
            }
        }
        self.nodes = nodes
        dead = Set(nodes.suffix(deadCount).map(\.peer.key))
        places = Dictionary(uniqueKeysWithValues: nodes.enumerated().map { ($1.peer.key, $0) })
    }

    var asked: [Key: Int] { log.withLock(\.asked) }
    /// Peers that were asked at the same time, at most.
    var most: Int { log.withLock(\.most) }
    func bootstrap(_ count: Int) -> [(PeerID, [Multiaddr])] { nodes.prefix(count).map { ($0.peer.id, [$0.address]) } }

    /// Whom a walk over the graph finds that asks the living.
    func reachable(from count: Int) -> Set<Key> {
        var found = Set(0..<count)
        var queue = Array(found)
        while let next = queue.popLast() {
            guard !dead.contains(nodes[next].peer.key) else { continue }
            for other in nodes[next].table where found.insert(other).inserted { queue.append(other) }
        }
        return Set(found.map { nodes[$0].peer.key })
    }

    func answer(_ request: Request, _ peer: Peer) async throws(TransportError) -> Reply {
        // The node's table asks by itself whether its contacts live.
        if request == .ping, !dead.contains(peer.key) { return Reply(address: nil) }
        guard case .findNode(let target) = request, let place = places[peer.key] else {
            throw TransportError(.unreachable)
        }
        log.withLock { log in
            log.asked[peer.key, default: 0] += 1
            log.running.insert(peer.key)
            log.most = max(log.most, log.running.count)
        }
        await Task.yield()
        _ = log.withLock { $0.running.remove(peer.key) }
        if Task.isCancelled { throw TransportError(.cancelled) }
        if dead.contains(peer.key) { throw TransportError(.timeout) }
        guard let preimage = target.preimage, Network.libp2p.target(hashing: preimage) == target.key else {
            throw TransportError(.badResponse)
        }
        var nearest = ClosestPeers<NamedPeer>(target: target.key, capacity: 20)
        for other in nodes[place].table {
            let other = nodes[other]
            nearest.offer(other.peer.key, NamedPeer(id: Array(other.peer.id.bytes), addresses: [other.address]))
        }
        return Reply(address: nodes[place].address, named: nearest.elements)
    }
}

extension Web: Transport {
    func send(_ request: Request, to peer: Peer, at addresses: [Multiaddr]) async throws(TransportError) -> Reply {
        // Those that the outage guard asks whether they live.
        if case .ping = request, !dead.contains(peer.key) { return Reply(address: addresses.first) }
        return try await answer(request, peer)
    }
}

@Suite("A crawl") struct CrawlTests {
    static let localKey = Key(7, 7, 7, 7)

    private func crawler(
        _ store: Store, _ web: Web, _ change: (inout Crawler.Configuration) -> Void = { _ in }
    ) -> Crawler {
        var configuration = Crawler.Configuration()
        configuration.seed = 1
        change(&configuration)
        return Crawler(store: store, localKey: Self.localKey, configuration: configuration) {
            (request, peer) throws(TransportError) in try await web.answer(request, peer)
        }
    }

    @Test("visits everybody who can be found, each once, and remembers them", arguments: [1, 2, 3] as [UInt64])
    func complete(seed: UInt64) async throws {
        let folder = try Folder()
        let store = try await folder.store()
        let web = try Web(count: 350, k: 10, dead: 40, seed: seed)
        var last = Crawler.Progress()
        let report = try await crawler(store, web) { $0.parallel = 16 }.run(from: web.bootstrap(2)) { last = $0 }
        let reachable = web.reachable(from: 2)
        #expect(Set(web.asked.keys) == reachable, "seed \(seed)")
        #expect(report.crawl.isComplete && report.remaining == 0 && !report.isResumed && !report.isTruncated)
        #expect(report.crawl.visited == reachable.count, "seed \(seed)")
        #expect(report.crawl.failed == reachable.intersection(web.dead).count, "seed \(seed)")
        #expect(report.crawl.peers[.failed(.timeout)] == report.crawl.failed)
        #expect(try store.countPeers() == reachable.count)
        #expect(last.visited == reachable.count && last.waiting == 0 && last.underWay == 0)
        #expect(web.most <= 16)
        // A dead one is asked once, a living one until its buckets bring nobody new.
        #expect(web.dead.allSatisfy { web.asked[$0] ?? 1 == 1 })
        #expect(report.answers < 12 * reachable.count)
        #expect(try store.runningCrawl() == nil)
        try await store.close()
    }

    @Test("that is interrupted goes on where it was, and visits nobody again", arguments: [1, 2] as [UInt64])
    func resumed(seed: UInt64) async throws {
        let folder = try Folder()
        let web = try Web(count: 300, seed: seed)
        var visits: [Set<Key>] = []
        var number: Int64?
        for limit in [20, 120, Int.max] {
            let store = try await folder.store()
            let before = web.asked
            let crawler = crawler(store, web) { $0.parallel = 8 }
            let report = try await withThrowingTaskGroup(of: Crawler.Report.self) { group in
                let (stop, stopping) = AsyncStream<Void>.makeStream()
                group.addTask {
                    defer { stopping.finish() }
                    return try await crawler.run(from: web.bootstrap(1)) {
                        if $0.visited >= limit { stopping.finish() }
                    }
                }
                for await _ in stop {}
                if limit < .max { group.cancelAll() }
                return try #require(try await group.next())
            }
            #expect(number == nil || number == report.crawl.number)
            number = report.crawl.number
            #expect(report.isResumed == !visits.isEmpty)
            #expect(report.crawl.isComplete == (limit == .max))
            #expect((report.remaining > 0) == (limit < .max), "seed \(seed)")
            let asked = Set(web.asked.filter { $0.value > before[$0.key] ?? 0 }.keys)
            visits.append(asked)
            if limit == .max { #expect(report.crawl.visited == web.reachable(from: 1).count, "seed \(seed)") }
            try await store.close()
        }
        // Only whose visits were cut off are visited again: at most as many as were under way.
        #expect(visits[0].intersection(visits[1]).count <= 8, "seed \(seed)")
        #expect(visits[0].union(visits[1]).intersection(visits[2]).count <= 16, "seed \(seed)")
        #expect(visits.reduce(Set()) { $0.union($1) } == web.reachable(from: 1), "seed \(seed)")
    }

    @Test("that is begun anew visits everybody again")
    func restarted() async throws {
        let folder = try Folder()
        let store = try await folder.store()
        let web = try Web(count: 60, seed: 5)
        let first = try await crawler(store, web).run(from: web.bootstrap(1))
        let second = try await crawler(store, web).run(restart: true)
        #expect(second.crawl.number != first.crawl.number && second.crawl.answered == first.crawl.answered)
        try await store.close()
    }

    @Test("leaves out who has no address and who backs off, unless everybody is to be asked")
    func leftOut() async throws {
        let folder = try Folder()
        let store = try await folder.store()
        let web = try Web(count: 40, seed: 6)
        let now = Instant.systemClock()
        let lonely = try store.peer(try #require(PeerID([0x12, 0x20] + Array(repeating: 9, count: 32))))
        try store.record(.heard(lonely, addresses: [], source: "test", at: now))
        let waiting = web.nodes[3].peer
        try store.record(.heard(waiting, addresses: [web.nodes[3].address], source: "test", at: now))
        try store.record(
            .backoff(
                waiting,
                BackoffState(
                    streakMilli: 1_000, streakAt: now, lastClass: .timeout,
                    notBefore: now.advanced(byMilliseconds: 3_600_000), waitMilliseconds: 3_600_000)))
        // Another one begins to wait while the crawl runs: the node does not dial it.
        let trial = web.nodes[5].peer.key
        let crawler = Crawler(store: store, localKey: Self.localKey) { (request, peer) throws(TransportError) in
            if peer.key == trial { throw TransportError(.cancelled) }
            return try await web.answer(request, peer)
        }
        let report = try await crawler.run(from: web.bootstrap(1))
        #expect(report.crawl.leftOut == 3 && report.crawl.answered == 38 && web.asked[waiting.key] == nil)
        #expect(report.crawl.failed == 0)
        let all = try await self.crawler(store, web) { $0.asksEverybody = true }.run(restart: true)
        #expect(all.crawl.leftOut == 1 && all.crawl.answered == 40)
        try await store.close()
    }

    @Test("is bounded, though those whom it asks name others without end")
    func bounded() async throws {
        let folder = try Folder()
        let store = try await folder.store()
        let generator = Mutex(SeededGenerator(seed: 8))
        var configuration = Crawler.Configuration()
        configuration.maximumPeers = 500
        let crawler = Crawler(store: store, localKey: Self.localKey, configuration: configuration) {
            (_, _) throws(TransportError) in
            let named = generator.withLock { generator in
                (0..<20).map { number in
                    let digest = (0..<32).map { _ in UInt8.random(in: .min ... .max, using: &generator) }
                    let host = UInt32.random(in: 0x0a00_0000...0x0aff_ffff, using: &generator)
                    let address = Multiaddr(ip: .v4(host), tcp: 1)
                    return NamedPeer(id: number == 0 ? [1, 2, 3] : [0x12, 0x20] + digest, addresses: [address])
                }
            }
            return Reply(address: nil, named: named)
        }
        let web = try Web(count: 1, seed: 9)
        let report = try await crawler.run(from: web.bootstrap(1))
        #expect(report.isTruncated && !report.crawl.isComplete && report.crawl.endedAt != nil)
        #expect(report.crawl.visited == 500 && report.remaining == 0)
        try await store.close()
    }

    @Test("through a node: what comes of each is remembered as of any call, and the node is not visited")
    func node() async throws {
        let folder = try Folder()
        let store = try await folder.store()
        let web = try Web(count: 120, dead: 10, seed: 10)
        let own = try #require(PeerID([0x12, 0x20] + Array(repeating: 1, count: 32)))
        var engine = EngineConfiguration.patient
        engine.maintains = false
        engine.askMilliseconds = 600_000
        let node = try await KadNode(store: store, id: own, transport: web, configuration: engine)
        let running = Task { try await node.run() }
        var configuration = Crawler.Configuration()
        configuration.parallel = 10
        let report = try await Crawler(asking: node, configuration: configuration).run(from: web.bootstrap(1))
        running.cancel()
        try await running.value
        #expect(report.crawl.isComplete && report.crawl.answered == 110, "\(report.crawl.peers)")
        for entry in web.nodes where !web.dead.contains(entry.peer.key) {
            let record = try #require(try store.record(of: entry.peer.key))
            let isRight = record.standing == .answered && record.addresses.map(\.address) == [entry.address]
            #expect(isRight, "\(record), \(web.asked[entry.peer.key] ?? 0)")
        }
        #expect(store.peerCap >= 120)
        try await store.close()
    }
}
