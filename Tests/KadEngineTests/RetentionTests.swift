import Kademlia
import Multiformats
import TestSupport
import Testing

@testable import KadEngine
@testable import KadStore

@Suite("Retention over the engine") struct RetentionTests {
    @Test("names that never answer and fail are dropped with a tombstone, and nobody else is")
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
        // Days of lookups near the dead: each fails until its failures are enough. The others go on naming them, so one that
        // was dropped may be back by the end.
        var dropped: Int { world.notes.reduce(0) { if case .dropped(let count) = $1 { $0 + count } else { $0 } } }
        for day in 0..<12 where dropped == 0 {
            for node in world.nodes[100...].enumerated() where node.offset % 12 == day % 12 {
                _ = world.lookup(engine, node.element.key)
            }
            world.run(engine, for: 6 * 3_600_000)
        }
        try await store.flush()
        let left = try store.peers(limit: 4_096).peers
        #expect(dropped > 0)
        #expect(world.nodes.prefix(100).allSatisfy { node in left.contains { $0.key == node.key } })
        let tombstones = try store.tombstones().tombstones
        #expect(!tombstones.isEmpty && tombstones.allSatisfy { world[$0.key]?.isAlive == false })
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
                SELECT key, 0, 0, 77, 0, 0, 0, 0, NULL, 0, NULL FROM member WHERE role = 0 LIMIT 1
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
