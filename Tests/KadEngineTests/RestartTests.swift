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

@Suite("Warm starts over the engine") struct WarmStartTests {
    @Test(
        "the table is usable at once, unverified, and is verified by paced probes; the dead are not dialled before their time"
    )
    func warm() async throws {
        let files = TemporaryStore()
        let world = try World(count: 300)
        var store = try await files.open()
        var engine = try await Setting.engine(store, world, EngineConfiguration())
        world.take(engine.start(at: world.time))
        #expect(world.bootstraps == 1)
        world.take(
            engine.introduce(world.nodes.prefix(5).map { ($0.id, [$0.address]) }, source: "bootstrap", at: world.time))
        world.run(engine, for: 600_000)
        let contacts = engine.table.count
        #expect(contacts > 60)
        world.take(engine.stop(at: world.time))
        try await store.close()

        world.advance(3_600_000)
        let alreadyDialled = world.dialled.count
        store = try await files.open()
        engine = try await Setting.engine(store, world, EngineConfiguration())
        #expect(engine.table.count == contacts)
        #expect(engine.table.buckets.allSatisfy { $0.live.allSatisfy { !$0.isVerified } })
        world.take(engine.start(at: world.time))
        #expect(world.dialled.count - alreadyDialled <= 20)
        let finish = try #require(world.lookup(engine, Key(3, 3, 3, 3)).finish)
        #expect(finish.closest.map(\.peer.key) == world.nearest(Key(3, 3, 3, 3)).map(\.key))
        world.run(engine, for: 120_000)
        #expect(world.bootstraps == 1)
        let finished = world.notes.contains {
            if case .warmStartFinished(let answered, _) = $0 { answered > 30 } else { false }
        }
        #expect(finished)
        let verified = engine.table.buckets.reduce(0) { $0 + $1.live.count { $0.isVerified } }
        #expect(verified * 10 >= contacts * 9)
        world.take(engine.stop(at: world.time))
        #expect(world.calls.isEmpty)
        try await store.close()
    }

    @Test("a node whose peers are all dead asks for bootstrap peers soon")
    func allDead() async throws {
        let files = TemporaryStore()
        let world = try World(count: 60)
        let store = try await files.open()
        for node in world.nodes {
            try store.record(.heard(try store.peer(node.id), addresses: [node.address], source: nil, at: world.wall))
            world.kill(node.key)
        }
        let engine = try await Setting.engine(store, world, EngineConfiguration())
        world.take(engine.start(at: world.time))
        world.run(engine, for: 15_000)
        #expect(world.bootstraps == 1)
        try await store.close()
    }

    @Test("what a full store could not take of the table is written when it can again, and is reported once")
    func backlog() async throws {
        let files = TemporaryStore()
        let world = try World(count: 20)
        var options = StoreOptions()
        (options.queueLimit, options.batchMilliseconds, options.batchCount) = (30, 600_000, 10_000)
        let store = try await Store.open(files.path, mode: .create(.libp2p, .private), options: options)
        var configuration = EngineConfiguration()
        configuration.maintains = false
        let engine = try await Setting.engine(store, world, configuration)
        world.take(engine.introduce(world.nodes.map { ($0.id, [$0.address]) }, source: "test", at: world.time))
        let fill = try store.peer(world.nodes[0].id)
        while (try? store.record(.heard(fill, addresses: [], source: nil, at: world.wall))) != nil {}
        world.run(engine, for: 300_000)
        #expect(world.notes.count { if case .storeFailed = $0 { true } else { false } } == 1)
        try await store.flush()
        world.run(engine, for: 5_000)
        try await store.flush()
        #expect(try store.buckets(of: engine.identity).flatMap(\.live).count == engine.table.count)
        try await store.close()
    }

    @Test("while the link is known to be down nothing wakes the node but what it records, and nobody is asked")
    func quiet() async throws {
        let setting = try await Setting(count: 40, known: 40) { $0.maintains = true }
        let (world, engine) = (setting.world, setting.engine)
        world.run(engine, for: 30_000)
        world.take(engine.link(isDown: true, at: world.time))
        world.advance(3_600_000)
        var wakes = 0
        let before = world.dialled.count
        world.run(engine, for: 600_000) {
            wakes += 1
            return wakes > 1_000
        }
        #expect(wakes < 100 && world.dialled.count == before)
        world.take(engine.link(isDown: false, at: world.time))
        world.run(engine, for: 600_000)
        #expect(world.dialled.count > before)
        try await setting.store.close()
    }

    @Test("a node that starts without a network, unknown to it, asks its bootstrap peers again, and soon has a table")
    func silentStart() async throws {
        let files = TemporaryStore()
        let world = try World(count: 60)
        let store = try await files.open()
        let engine = try await Setting.engine(store, world, EngineConfiguration())
        world.isLinkDown = true
        world.take(engine.start(at: world.time))
        world.take(
            engine.introduce(world.nodes.prefix(4).map { ($0.id, [$0.address]) }, source: "bootstrap", at: world.time))
        world.run(engine, for: 3_600_000)
        #expect((2...13).contains(world.bootstraps))
        #expect(engine.table.buckets.allSatisfy { $0.refreshedAt == nil })
        world.isLinkDown = false
        world.run(engine, for: 3_600_000) { engine.answers > 0 }
        // Once one has answered, the others follow within minutes, not with the refresh of the next hour.
        world.run(engine, for: 600_000)
        #expect(engine.answers > 40)
        try await store.close()
    }

    @Test("a warm start that begins without a link asks its peers when the link is back")
    func offline() async throws {
        let setting = try await Setting(count: 60, known: 60)
        let (world, engine) = (setting.world, setting.engine)
        _ = world.lookup(engine, .zero)
        world.take(engine.stop(at: world.time))
        var configuration = EngineConfiguration()
        configuration.maintains = true
        let again = try await Setting.engine(setting.store, world, configuration)
        world.isLinkDown = true
        world.take(again.link(isDown: true, at: world.time))
        world.take(again.start(at: world.time))
        world.run(again, for: 600_000)
        world.isLinkDown = false
        world.take(again.link(isDown: false, at: world.time))
        world.run(again, for: 60_000)
        let finished = world.notes.contains {
            if case .warmStartFinished(let answered, _) = $0 { answered >= 20 } else { false }
        }
        #expect(finished)
        try await setting.store.close()
    }
}

@Suite("Retention over the engine") struct RetentionTests {
    @Test("names that never answer and fail are dropped with a tombstone, and the store comes under its cap")
    func dropped() async throws {
        let files = TemporaryStore()
        let world = try World(count: 160)
        let store = try await files.open()
        var configuration = EngineConfiguration()
        // Three days are to pass: not every second of them is of interest.
        configuration.revalidation = Revalidation.Configuration(meanMilliseconds: 60_000)
        let engine = try await Setting.engine(store, world, configuration)
        world.take(
            engine.introduce(world.nodes.prefix(100).map { ($0.id, [$0.address]) }, source: "test", at: world.time))
        for node in world.nodes[100...] {
            try store.record(.heard(try store.peer(node.id), addresses: [node.address], source: nil, at: world.wall))
            world.kill(node.key)
        }
        try await store.flush()
        world.take(engine.start(at: world.time))
        // Days of lookups near the dead: each fails until its failures are enough.
        for day in 0..<12 {
            for node in world.nodes[100...].enumerated() where node.offset % 12 == day % 12 {
                _ = world.lookup(engine, node.element.key)
            }
            world.run(engine, for: 6 * 3_600_000)
        }
        try await store.flush()
        let left = try store.peers(limit: 4_096).peers
        #expect(left.count < 160)
        #expect(world.nodes.prefix(100).allSatisfy { node in left.contains { $0.key == node.key } })
        #expect(try !store.tombstones().isEmpty)
        try await store.close()
    }

    @Test("a number of peers that somebody left wrong drops nobody", arguments: [Int64.max, 100_000, -1, .min])
    func wrongTally(_ number: Int64) async throws {
        let files = TemporaryStore()
        let world = try World(count: 120)
        var store = try await files.open()
        for node in world.nodes {
            try store.record(.heard(try store.peer(node.id), addresses: [node.address], source: nil, at: world.wall))
        }
        try await store.close()
        do {
            let connection = try Connection(path: files.path, access: .readWrite)
            try connection.execute("UPDATE tally SET peers = \(number)")
        }
        store = try await files.open()
        let engine = try await Setting.engine(store, world, EngineConfiguration())
        world.take(engine.start(at: world.time))
        world.run(engine, for: 600_000)
        try await store.flush()
        #expect(try store.countPeers() == world.nodes.count)
        try await store.close()
    }
}

@Suite("Damaged rows") struct DamagedRowTests {
    @Test("a contact whose row cannot be read does not keep a node from starting, nor the others from being asked")
    func damagedContact() async throws {
        let files = TemporaryStore()
        let world = try World(count: 40)
        var store = try await files.open()
        let first = try await Setting.engine(store, world, EngineConfiguration())
        world.take(first.introduce(world.nodes.map { ($0.id, [$0.address]) }, source: "test", at: world.time))
        world.take(first.start(at: world.time))
        world.run(first, for: 60_000)
        world.take(first.stop(at: world.time))
        try await store.close()
        do {
            let connection = try Connection(path: files.path, access: .readWrite)
            try connection.execute(
                """
                INSERT OR REPLACE INTO backoff
                SELECT key, 0, 0, 77, 0, 0, 0, 0, NULL, 0 FROM member WHERE role = 0 LIMIT 1
                """)
        }
        store = try await files.open()
        let second = try await Setting.engine(store, world, EngineConfiguration())
        let before = world.dialled.count
        world.take(second.start(at: world.time))
        world.run(second, for: 60_000)
        #expect(Set(world.dialled[before...]).count > 20)
        try await store.close()
    }
}
