import Kademlia
import Multiformats
import TestSupport
import Testing

@testable import KadEngine
@testable import KadStore

/// What a node decides must not depend on whether it was restarted: same file, same clocks, same draws.
@Suite("Restarts") struct RestartTests {
    /// One step of a random life.
    private func step(_ world: World, _ engine: NodeEngine, _ generator: inout SeededGenerator) {
        switch Int.random(in: 0..<10, using: &generator) {
        case 0: world.kill(world.nodes[Int.random(in: 0..<world.nodes.count, using: &generator)].key)
        case 1: world.revive(world.nodes[Int.random(in: 0..<world.nodes.count, using: &generator)].key)
        case 2: world.advance(Int64.random(in: 0...600_000, using: &generator))
        case 3: world.isLinkDown.toggle()
        case 4:
            let node = world.nodes[Int.random(in: 0..<world.nodes.count, using: &generator)]
            world.failures[node.key] = world.failures[node.key] == nil ? .refused : nil
        default: _ = world.lookup(engine, .random(using: &generator))
        }
    }

    /// Everything that decisions rest on, save what the documentation lists as not surviving.
    private struct Memory: Equatable {
        var verdicts: [Key: DialVerdict] = [:]
        var addresses: [Key: [Multiaddr]] = [:]
        var held: [OutageGuard.Held]
        var witnesses: [OutageGuard.Witness]
        var canaryAt: Instant?
        var buckets: [[Key]]
        var now: Instant

        init(_ engine: NodeEngine, _ world: World) throws {
            held = engine.outage.held
            witnesses = engine.outage.witnesses
            canaryAt = engine.outage.canaryAt
            buckets = engine.table.buckets.map { $0.live.map(\.key) + $0.replacements.map(\.key) }
            now = engine.now
            for node in world.nodes {
                guard let record = try engine.store.record(of: node.key) else { continue }
                // Half-open loads as open: documented.
                verdicts[node.key] = record.backoff?.loaded().dialVerdict(at: engine.now, policy: FailurePolicy())
                addresses[node.key] = record.dialableAddresses(at: engine.now, policy: FailurePolicy())
            }
        }
    }

    @Test("after a flush, a kill and a restart at any step a node remembers the same, and goes on to decide the same")
    func sameDecisions() async throws {
        for seed in Seeds.first(4) {
            var generator = SeededGenerator(seed: seed)
            let files = TemporaryStore()
            let world = try World(count: 120, seed: seed)
            var configuration = EngineConfiguration()
            configuration.maintains = false
            var store = try await files.open(now: { Instant(milliseconds: 1_790_000_000_000) })
            var engine = try await Setting.engine(store, world, configuration)
            world.take(engine.introduce(world.nodes.map { ($0.id, [$0.address]) }, source: "test", at: world.time))
            for _ in 0..<12 {
                for _ in 0..<Int.random(in: 1...5, using: &generator) { step(world, engine, &generator) }
                world.take(engine.persist(at: world.time))
                let before = try Memory(engine, world)
                try await store.flush()
                try await store.close()

                store = try await files.open(now: { Instant(milliseconds: 1_790_000_000_000) })
                let draws = engine.generator
                let population = engine.population
                engine = try await Setting.engine(store, world, configuration)
                engine.generator = draws
                engine.population = population
                #expect(try Memory(engine, world) == before, "seed \(seed)")
                #expect(engine.table.buckets.allSatisfy { $0.live.allSatisfy { !$0.isVerified } })
            }
            try await store.close()
        }
    }

    @Test("the same failures at the same times with the same draws set the same waits, restarted in between or not")
    func sameWaits() async throws {
        let policy = FailurePolicy()
        for seed in Seeds.first(3) {
            let files = TemporaryStore()
            let world = try World(count: 3, seed: seed)
            var store = try await files.open()
            let peer = try store.peer(world.nodes[0].id)
            try store.record(.heard(peer, addresses: [world.nodes[0].address], source: nil, at: world.wall))
            var control: BackoffState?
            var choices = SeededGenerator(seed: seed)
            var draws = SeededGenerator(seed: seed &+ 1)
            var restartedDraws = draws
            for _ in 0..<25 {
                world.advance(Int64.random(in: 1...7_200_000, using: &choices))
                var stored = try store.record(of: peer.key)?.backoff
                for (isRestarted, state) in [(false, control), (true, stored)] {
                    var next = state?.loaded() ?? .clean(at: world.wall)
                    var generator = isRestarted ? restartedDraws : draws
                    var choice = choices
                    switch Int.random(in: 0..<4, using: &choice) {
                    case 0: next.succeed(at: world.wall, policy: policy)
                    case 1: _ = next.grantTrial(at: world.wall, policy: policy, using: &generator)
                    default:
                        let classes: [FailureClass] = [.timeout, .refused, .badResponse, .reset]
                        let failureClass = classes.randomElement(using: &choice) ?? .timeout
                        next.count(failureClass, at: world.wall, policy: policy, using: &generator)
                    }
                    if isRestarted {
                        stored = next.isClean ? nil : next
                        restartedDraws = generator
                    } else {
                        control = next.isClean ? nil : next
                        draws = generator
                    }
                }
                _ = choices.next()
                try store.record(.backoff(peer, stored))
                try await store.close()
                store = try await files.open()
                #expect(try store.record(of: peer.key)?.backoff == control, "seed \(seed)")
            }
            try await store.close()
        }
    }

    @Test("without a flush, a killed node finds the state of an earlier commit, whole")
    func earlierCommit() async throws {
        let files = TemporaryStore()
        let world = try World(count: 60)
        var configuration = EngineConfiguration()
        configuration.maintains = false
        let store = try await files.open()
        let engine = try await Setting.engine(store, world, configuration)
        world.take(engine.introduce(world.nodes.map { ($0.id, [$0.address]) }, source: "test", at: world.time))
        world.take(engine.persist(at: world.time))
        try await store.flush()
        let committed = try store.peers(limit: 1_000).peers

        for node in world.nodes.prefix(20) { world.kill(node.key) }
        for number in 0..<6 { _ = world.lookup(engine, Key(UInt64(number) << 61, 0, 0, 0)) }
        // What another process sees is what a kill would leave: commits, never a part of one.
        let other = try await Store.open(files.path, mode: .readOnly)
        let seen = try other.peers(limit: 1_000).peers
        #expect(try await other.check().isSound)
        #expect(seen.map(\.key) == committed.map(\.key))
        try await other.close()
        try await store.close()
    }
}
