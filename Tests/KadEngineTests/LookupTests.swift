import KadStore
import Kademlia
import Multiformats
import Testing

@testable import KadEngine

/// An engine on a store of its own, in a world. Upkeep is off: what happens is what the test asks for.
struct Setting {
    let files = TemporaryStore()
    let world: World
    let store: Store
    let engine: NodeEngine

    init(count: Int, seed: UInt64 = 1, known: Int = 10, _ change: (inout EngineConfiguration) -> Void = { _ in })
        async throws
    {
        world = try World(count: count, seed: seed)
        store = try await files.open()
        var configuration = EngineConfiguration()
        configuration.maintains = false
        change(&configuration)
        engine = try await Self.engine(store, world, configuration)
        world.take(
            engine.introduce(world.nodes.prefix(known).map { ($0.id, [$0.address]) }, source: "test", at: world.time))
        world.take(engine.start(at: world.time))
    }

    static func engine(_ store: Store, _ world: World, _ configuration: EngineConfiguration) async throws -> NodeEngine
    {
        let id = try #require(PeerID([0x12, 0x20] + [UInt8](repeating: 7, count: 32)))
        return try NodeEngine(
            store: store, identity: try await store.identity(id), configuration: configuration, seed: 1, at: world.time)
    }

    func peer(_ node: World.Node) throws -> Peer { try store.peer(node.id) }
}

extension Collection where Element == LookupEvent {
    var finish: (reason: Lookup.FinishReason, statistics: LookupStatistics, closest: [FoundPeer])? {
        guard case .finished(let reason, let statistics, let closest)? = reversed().first else { return nil }
        return (reason, statistics, closest)
    }
}

@Suite("A lookup over the engine") struct LookupTests {
    @Test("finds the nearest live peers exactly, from a store that knows a few", arguments: [1, 2, 3] as [UInt64])
    func exact(seed: UInt64) async throws {
        let setting = try await Setting(count: 600, seed: seed)
        var generator = SeededGenerator(seed: seed)
        for _ in 0..<5 {
            let target = Key.random(using: &generator)
            let finish = try #require(setting.world.lookup(setting.engine, target).finish)
            #expect(finish.reason == .complete)
            #expect(finish.closest.map(\.peer.key) == setting.world.nearest(target).map(\.key))
            #expect(finish.closest.allSatisfy { !$0.addresses.isEmpty })
        }
        #expect(setting.engine.calls.isEmpty)
        try await setting.store.close()
    }

    @Test("passes over dead peers, and does not ask them again")
    func dead() async throws {
        let setting = try await Setting(count: 400)
        for node in setting.world.nodes.enumerated() where node.offset % 3 == 2 { setting.world.kill(node.element.key) }
        setting.world.answerCount = 40
        let target = Key(1, 2, 3, 4)
        let first = try #require(setting.world.lookup(setting.engine, target).finish)
        #expect(first.closest.map(\.peer.key) == setting.world.nearest(target).map(\.key))
        #expect(first.statistics.timeouts > 0)
        let second = try #require(setting.world.lookup(setting.engine, target).finish)
        #expect(second.closest.map(\.peer.key) == first.closest.map(\.peer.key))
        #expect(second.statistics.timeouts == 0)
        try await setting.store.close()
    }

    @Test("tells what happens, in order: each peer is queried before it answers, and the end is the last")
    func events() async throws {
        let setting = try await Setting(count: 200)
        setting.world.kill(setting.world.nearest(Key.zero)[0].key)
        let events = setting.world.lookup(setting.engine, .zero)
        var queried: Set<Key> = []
        var ended: Set<Key> = []
        for event in events.dropLast() {
            switch event {
            case .queried(let peer):
                let isFirst = queried.insert(peer.key).inserted
                #expect(isFirst)
            case .answered(let peer, let named, let rtt):
                let isFirst = ended.insert(peer.key).inserted
                #expect(isFirst && queried.contains(peer.key) && named <= 20 && rtt > 0)
            case .failed(let peer, let failureClass):
                let isFirst = ended.insert(peer.key).inserted
                #expect(isFirst && queried.contains(peer.key) && failureClass == .timeout)
            case .closer: break
            case .found: Issue.record("content that nobody asked for")
            case .finished: Issue.record("two ends")
            }
        }
        #expect(events.finish?.statistics.queries == queried.count)
        #expect(events.contains { if case .closer = $0 { true } else { false } })
        try await setting.store.close()
    }

    @Test("what it learns is in the store as it learns it: one that is cut off goes on from there")
    func crash() async throws {
        let files = TemporaryStore()
        let world = try World(count: 3_000)
        var store = try await files.open()
        var configuration = EngineConfiguration()
        configuration.maintains = false
        var engine = try await Setting.engine(store, world, configuration)
        let target = Key(5, 5, 5, 5)
        let far = world.nodes.filter { $0.key.commonPrefixLength(with: target) == 0 }.prefix(3)
        world.take(engine.introduce(far.map { ($0.id, [$0.address]) }, source: "test", at: world.time))

        let (id, actions) = engine.lookup(LookupTarget(key: target), at: world.time)
        world.take(actions)
        world.run(engine) {
            (world.events[id] ?? []).filter { if case .answered = $0 { true } else { false } }.count >= 12
        }
        #expect((world.events[id] ?? []).finish == nil)
        let learnt = try store.nearest(to: target, count: 20).peers.map(\.key)
        // As a crash after the last commit leaves the file: the engine is not told.
        try await store.close()

        store = try await files.open()
        #expect(try store.nearest(to: target, count: 20).peers.map(\.key) == learnt)
        engine = try await Setting.engine(store, world, configuration)
        let finish = try #require(world.lookup(engine, target).finish)
        #expect(finish.closest.map(\.peer.key) == world.nearest(target).map(\.key))
        #expect(finish.statistics.hops <= 2)
        try await store.close()
    }

    @Test("a cancelled lookup leaves no call under way, and says so")
    func cancel() async throws {
        let setting = try await Setting(count: 300)
        let (id, actions) = setting.engine.lookup(LookupTarget(key: .zero), at: setting.world.time)
        setting.world.take(actions)
        #expect(!setting.world.calls.isEmpty)
        setting.world.take(setting.engine.cancel(id, at: setting.world.time))
        #expect(setting.world.calls.isEmpty && setting.engine.calls.isEmpty)
        #expect(setting.world.events[id]?.finish?.reason == .cancelled)
        try await setting.store.close()
    }

    @Test("a bucket's or a caller's lookup leaves a summary without its target, and the store counts it")
    func summaries() async throws {
        let setting = try await Setting(count: 200)
        for number in 1...3 { _ = setting.world.lookup(setting.engine, Key(UInt64(number), 0, 0, 0)) }
        let history = try setting.store.lookupStatistics()
        #expect(history.count == 3)
        #expect(history.recent.allSatisfy { $0.queries > 0 && $0.answers > 0 && $0.peakFrontier <= 120 })
        try await setting.store.close()
    }

    @Test("with disjoint paths, no peer is asked twice")
    func paths() async throws {
        let setting = try await Setting(count: 500, known: 40)
        var configuration = Lookup.Configuration()
        configuration.paths = 3
        let target = Key(9, 9, 9, 9)
        let events = setting.world.lookup(setting.engine, target, LookupOptions(configuration: configuration))
        #expect(events.finish?.closest.map(\.peer.key) == setting.world.nearest(target).map(\.key))
        let queried = events.compactMap { if case .queried(let peer) = $0 { peer.key } else { nil } }
        #expect(Set(queried).count == queried.count)
        try await setting.store.close()
    }
}

@Suite("How long strangers are waited for") struct PopulationTests {
    private func timeouts(_ world: World, _ actions: [Action]) -> [Int64] {
        actions.compactMap { if case .call(_, let call) = $0 { call.timeoutMilliseconds } else { nil } }
    }

    @Test("The first lookup learns it, and a restart remembers it")
    func learnt() async throws {
        let setting = try await Setting(count: 300)
        let world = setting.world
        let policy = setting.engine.configuration.lookup.timeouts
        let (first, actions) = setting.engine.lookup(LookupTarget(key: world.nodes[200].key), at: world.time)
        #expect(timeouts(world, actions).allSatisfy { $0 == policy.unknownDeadline })
        world.take(actions)
        world.run(setting.engine) { if case .finished = world.events[first]?.last { true } else { false } }
        #expect(setting.engine.population.estimate != nil)
        try await setting.store.flush()
        world.take(setting.engine.stop(at: world.time))
        try await setting.store.close()

        let store = try await setting.files.open()
        let engine = try await Setting.engine(store, world, setting.engine.configuration)
        let estimate = try #require(engine.population.estimate)
        #expect((20_000...120_000).contains(estimate.smoothed))
        try await store.close()
    }
}
