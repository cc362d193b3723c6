import Kademlia
import Multiformats
import TestSupport
import Testing

@testable import KadEngine
@testable import KadStore

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
