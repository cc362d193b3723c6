import Foundation
import KadEngine
import KadStore
import Kademlia
import Logging
import Metrics
import MetricsTestKit
import Multiformats
import ServiceLifecycle
import Synchronization
import Testing

@testable import KadNode

/// A network in one array. Peers may be dead (silent until cancelled) or slow.
final class Loopback: Transport {
    let peers: [(id: PeerID, key: Key, address: Multiaddr)]
    let ownID: PeerID
    private let state = Mutex((dead: Set<Key>(), running: 0, calls: 0))

    init(peers count: Int) throws {
        var generator = SeededGenerator(seed: 7)
        func id() throws -> PeerID {
            let digest = (0..<32).map { _ in UInt8.random(in: .min ... .max, using: &generator) }
            return try #require(PeerID([0x12, 0x20] + digest))
        }
        ownID = try id()
        peers = try (0..<count).map { number in
            let id = try id()
            return (
                id, try Network.libp2p.key(of: id), try Multiaddr("/ip4/10.0.\(number / 250).\(number % 250)/tcp/4001")
            )
        }
    }

    var bootstrap: [(PeerID, [Multiaddr])] { peers.prefix(4).map { ($0.id, [$0.address]) } }
    /// Calls that have not returned.
    var running: Int { state.withLock(\.running) }
    var calls: Int { state.withLock(\.calls) }

    func kill(_ key: Key) { _ = state.withLock { $0.dead.insert(key) } }

    func send(_ request: Request, to peer: Peer, at addresses: [Multiaddr]) async throws(TransportError) -> Reply {
        let isDead = state.withLock { state in
            state.running += 1
            state.calls += 1
            return state.dead.contains(peer.key)
        }
        defer { state.withLock { $0.running -= 1 } }
        do {
            try await Task.sleep(for: isDead ? .seconds(600) : .milliseconds(2))
        } catch {
            throw TransportError(.cancelled)
        }
        guard case .findNode(let target) = request else { return Reply(address: addresses.first) }
        var nearest = ClosestPeers<NamedPeer>(target: target.key, capacity: 20)
        for other in peers where other.key != peer.key {
            nearest.offer(other.key, NamedPeer(id: Array(other.id.bytes), addresses: [other.address]))
        }
        return Reply(address: addresses.first, named: nearest.elements)
    }

    func nearest(_ target: Key, count: Int = 20) -> [Key] {
        var nearest = ClosestPeers<Key>(target: target, capacity: count)
        for peer in peers { nearest.offer(peer.key, peer.key) }
        return nearest.elements
    }
}

/// Never answers, and does not care that it was cancelled.
final class Deaf: Transport {
    private let waiting = Mutex<[CheckedContinuation<Void, Never>]>([])

    var calls: Int { waiting.withLock(\.count) }

    func send(_ request: Request, to peer: Peer, at addresses: [Multiaddr]) async throws(TransportError) -> Reply {
        await withCheckedContinuation { continuation in waiting.withLock { $0.append(continuation) } }
        return Reply(address: nil)
    }

    func release() {
        for continuation in waiting.withLock({ $0 }) { continuation.resume() }
    }
}

extension KadNode {
    func waitAtTheEnd(for patience: Duration) { self.patience = patience }
}

extension EngineConfiguration {
    /// Nothing is given up: on a busy machine two milliseconds may take seconds.
    static var patient: EngineConfiguration {
        var configuration = EngineConfiguration()
        configuration.pingMilliseconds = 600_000
        configuration.lookup.maximumMilliseconds = 600_000
        configuration.lookup.timeouts = TimeoutPolicy(
            minimumSlow: 600_000, maximumSlow: 600_000, minimumDeadline: 600_000, maximumDeadline: 600_000,
            unknownSlow: 600_000, unknownDeadline: 600_000)
        return configuration
    }
}

struct Folder: ~Copyable {
    let path = NSTemporaryDirectory() + "kadnode-\(UInt64.random(in: .min ... .max))"

    init() throws { try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true) }

    deinit { try? FileManager.default.removeItem(atPath: path) }

    func store() async throws -> Store { try await Store.open(path + "/peers.db", mode: .create(.libp2p, .private)) }
}

@Suite("A node") struct NodeTests {
    @Test("finds the nearest peers over a transport, starting from its bootstrap peers")
    func finds() async throws {
        let folder = try Folder()
        let store = try await folder.store()
        let transport = try Loopback(peers: 300)
        let node = try await KadNode(
            store: store, id: transport.ownID, transport: transport, configuration: .patient,
            bootstrap: transport.bootstrap)
        let running = Task { try await node.run() }
        // The node asks for bootstrap peers at once, because it knows nobody.
        while await node.contactCount == 0 { try await Task.sleep(for: .milliseconds(5)) }
        let target = Key(1, 2, 3, 4)
        let found = try await node.closest(to: LookupTarget(key: target))
        #expect(found.map(\.peer.key) == transport.nearest(target))
        running.cancel()
        try await running.value
        #expect(transport.running == 0)
        #expect(try store.lookupStatistics().count >= 1)
        try await store.close()
    }

    @Test("a lookup that is asked for before the node runs finds its way from the bootstrap peers")
    func early() async throws {
        let folder = try Folder()
        let store = try await folder.store()
        let transport = try Loopback(peers: 100)
        let node = try await KadNode(
            store: store, id: transport.ownID, transport: transport, configuration: .patient,
            bootstrap: transport.bootstrap)
        let found = try await node.closest(to: LookupTarget(key: .zero))
        #expect(found.map(\.peer.key) == transport.nearest(.zero))
        try await node.shutDownForTest()
        try await store.close()
    }

    @Test("leaving the loop over a lookup's events cancels it, and nothing is left running")
    func leaving() async throws {
        let folder = try Folder()
        let store = try await folder.store()
        let transport = try Loopback(peers: 200)
        let node = try await KadNode(
            store: store, id: transport.ownID, transport: transport, configuration: .patient)
        await node.introduce(transport.peers.prefix(30).map { ($0.id, [$0.address]) }, source: "test")
        for await event in await node.lookup(LookupTarget(key: .zero)) {
            if case .queried = event { break }
        }
        // The cancellation travels through the node's actor.
        for _ in 0..<2_000 where await node.callsInFlight > 0 || transport.running > 0 {
            try await Task.sleep(for: .milliseconds(2))
        }
        let summaries = try store.lookupStatistics().recent
        #expect(summaries.contains { $0.reason == .cancelled })
        try await node.shutDownForTest()
        #expect(transport.running == 0)
        try await store.close()
    }

    @Test("one silent peer does not hold up a lookup's other queries, and is cancelled with the lookup")
    func silent() async throws {
        let folder = try Folder()
        let store = try await folder.store()
        let transport = try Loopback(peers: 100)
        let target = Key(9, 9, 9, 9)
        transport.kill(transport.nearest(target)[0])
        let node = try await KadNode(
            store: store, id: transport.ownID, transport: transport, configuration: .patient)
        await node.introduce(transport.peers.prefix(30).map { ($0.id, [$0.address]) }, source: "test")
        var answers = 0
        for await event in await node.lookup(LookupTarget(key: target)) {
            if case .answered = event { answers += 1 }
            if answers == 20 { break }
        }
        #expect(answers == 20)
        try await node.shutDownForTest()
        #expect(transport.running == 0)
        try await store.close()
    }

    @Test("a graceful shutdown flushes: what was learnt is there after a restart, and the table with it")
    func gracefulShutdown() async throws {
        let folder = try Folder()
        var store = try await folder.store()
        let transport = try Loopback(peers: 200)
        let node = try await KadNode(
            store: store, id: transport.ownID, transport: transport, configuration: .patient,
            bootstrap: transport.bootstrap)
        let group = ServiceGroup(services: [node], logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
        let running = Task { try await group.run() }
        while await node.contactCount < 20 { try await Task.sleep(for: .milliseconds(5)) }
        await group.triggerGracefulShutdown()
        try await running.value
        let contacts = await node.contactCount
        #expect(transport.running == 0)
        try await store.close()

        store = try await folder.store()
        let again = try await KadNode(
            store: store, id: transport.ownID, transport: transport, configuration: .patient)
        #expect(await again.contactCount == contacts)
        #expect(try store.sessions() != OnlineTime())
        // A node that has ended runs no lookups.
        await #expect(throws: CancellationError.self) { try await node.closest(to: LookupTarget(key: .zero)) }
        try await again.shutDownForTest()
        try await store.close()
    }

    @Test("a transport that never returns does not keep the node from ending, and what was learnt is flushed")
    func deaf() async throws {
        let files = try Folder()
        let world = try Loopback(peers: 20)
        let store = try await files.store()
        let transport = Deaf()
        let node = try await KadNode(store: store, id: world.ownID, transport: transport, bootstrap: world.bootstrap)
        await node.waitAtTheEnd(for: .milliseconds(50))
        let running = Task { try await node.run() }
        while transport.calls == 0 { try await Task.sleep(for: .milliseconds(5)) }
        running.cancel()
        try await running.value
        #expect(await node.callsInFlight > 0)
        #expect(try await store.check(full: true).isSound)
        #expect(try store.countPeers() == world.bootstrap.count)
        transport.release()
        try await store.close()
    }

    @Test("calls that a transport never ends are bounded")
    func boundedCalls() async throws {
        let folder = try Folder()
        let store = try await folder.store()
        let world = try Loopback(peers: 100)
        let transport = Deaf()
        let node = try await KadNode(store: store, id: world.ownID, transport: transport, configuration: .patient)
        await node.waitAtTheEnd(for: .milliseconds(50))
        await node.introduce(world.peers.map { ($0.id, [$0.address]) }, source: "test")
        var lookups: [LookupEvents] = []
        for number in 0..<120 {
            lookups.append(await node.lookup(LookupTarget(key: Key(UInt64(number) << 57, 0, 0, 0))))
        }
        #expect(await node.callsInFlight == KadNode.maximumCalls)
        try await node.shutDownForTest()
        transport.release()
        try await store.close()
    }

    @Test("the nearest contacts that it tells others are of its table, with addresses")
    func known() async throws {
        let folder = try Folder()
        let store = try await folder.store()
        let transport = try Loopback(peers: 40)
        let node = try await KadNode(
            store: store, id: transport.ownID, transport: transport, configuration: .patient)
        await node.introduce(transport.peers.map { ($0.id, [$0.address]) }, source: "test")
        let known = try await node.known(nearest: .zero, count: 10)
        #expect(known.count == 10 && known.allSatisfy { $0.addresses.count == 1 })
        try await node.shutDownForTest()
        try await store.close()
    }
}

/// One test alone, because the metrics system is set up once in a process.
@Suite("A node's metrics and logs", .serialized) struct ObservationTests {
    @Test("count calls, lookups and contacts under their documented names; logs never name a target")
    func observed() async throws {
        let metrics = TestMetrics()
        MetricsSystem.bootstrap(metrics)
        let lines = Lines()
        let folder = try Folder()
        let store = try await folder.store()
        let transport = try Loopback(peers: 100)
        var logger = Logger(label: "test") { _ in lines.handler }
        logger.logLevel = .trace
        let node = try await KadNode(
            store: store, id: transport.ownID, transport: transport, configuration: .patient,
            bootstrap: transport.bootstrap, logger: logger)
        let running = Task { try await node.run() }
        while await node.contactCount < 10 { try await Task.sleep(for: .milliseconds(5)) }
        let target = Key(0x0123_4567_89ab_cdef, 1, 2, 3)
        _ = try await node.closest(to: LookupTarget(key: target))
        running.cancel()
        try await running.value
        try await store.close()

        #expect(try metrics.expectCounter("kadstore_calls_total", [("outcome", "answered")]).values.count > 10)
        #expect(try metrics.expectCounter("kadstore_lookups_total", [("reason", "complete")]).values.count >= 1)
        // Nodes of other tests count there, too.
        #expect(try metrics.expectGauge("kadstore_table_contacts").values.contains { $0 >= 10 })
        #expect(try metrics.expectTimer("kadstore_call_duration").values.count > 10)
        let text = lines.all
        #expect(text.contains { $0.contains("node started") } && text.contains { $0.contains("node stopped") })
        #expect(text.contains { $0.contains("lookup finished") })
        #expect(!text.contains { $0.contains("0123456789abcdef") })
    }
}

/// Log lines in memory.
final class Lines: Sendable {
    private let lines = Mutex<[String]>([])

    var all: [String] { lines.withLock { $0 } }
    var handler: Handler { Handler(lines: self) }

    struct Handler: LogHandler {
        let lines: Lines
        var metadata: Logger.Metadata = [:]
        var logLevel: Logger.Level = .trace

        init(lines: Lines) { self.lines = lines }

        subscript(metadataKey key: String) -> Logger.Metadata.Value? {
            get { metadata[key] }
            set { metadata[key] = newValue }
        }

        func log(event: LogEvent) {
            lines.lines.withLock { $0.append("\(event.message) \(event.metadata ?? [:])") }
        }
    }
}

extension KadNode {
    /// Runs and ends at once.
    func shutDownForTest() async throws {
        let running = Task { try await run() }
        running.cancel()
        try await running.value
    }
}
