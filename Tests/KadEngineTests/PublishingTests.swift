import KadStore
import Kademlia
import Multiformats
import Testing

@testable import KadEngine

@Suite("What is our own is told again") struct PublishingTests {
    private static let hour: Int64 = 3_600_000

    /// An engine that maintains itself, and so many values and keys of its own that were told at the start.
    private func setting(values: Int, providers: Int = 0, age: Int64 = 0) async throws -> Setting {
        let setting = try await Setting(count: 3, known: 3) { $0.maintains = true }
        let stamp = setting.world.wall.advanced(byMilliseconds: -age)
        for number in 0..<values { try store(setting, .value(key: [1, UInt8(number)]), at: stamp) }
        for number in 0..<providers { try store(setting, .provider(key: [2, UInt8(number)]), at: stamp) }
        return setting
    }

    private func store(_ setting: Setting, _ publication: Publication, at stamp: Instant) throws {
        switch publication {
        case .value(let key):
            try setting.store.record(
                .valueStored(
                    StoredValue(key: key, value: [7], receivedAt: stamp, expiresAt: stamp, isOwn: true)))
        case .provider(let key):
            try setting.store.record(
                .providerStored(
                    StoredProvider(
                        key: key, peer: setting.engine.identity.peer, addresses: [], receivedAt: stamp,
                        expiresAt: stamp, isOwn: true)))
        }
    }

    /// Runs for so long; each publication ends after a second, and is stored as told where it succeeds.
    ///
    /// - Returns: what was published, and when.
    private func run(
        _ setting: Setting, hours: Int64, succeeds: Bool = true, most: Int = 4
    ) throws -> [(Publication, Instant)] {
        let world = setting.world
        var told: [(Publication, Instant)] = []
        var done = world.publications.count
        let end = world.uptime.advanced(byMilliseconds: hours * Self.hour)
        while world.uptime < end {
            world.run(setting.engine, for: min(60_000, end.millisecondsSince(world.uptime))) {
                world.publications.count > done
            }
            // A page of the walk may find more in the next second.
            if world.publications.count > done { world.run(setting.engine, for: 1_000) }
            let batch = world.publications[done...]
            done = world.publications.count
            #expect(batch.count <= most, "at the same time")
            for publication in batch {
                told.append((publication, world.wall))
                if succeeds { try store(setting, publication, at: world.wall) }
            }
            for publication in batch {
                world.take(setting.engine.published(publication, at: world.time))
            }
        }
        return told
    }

    @Test("each thing before the shortest lifetime is over, spread over hours, some at a time, day after day")
    func spread() async throws {
        let setting = try await setting(values: 100, providers: 100)
        let start = setting.world.wall
        var last: [Publication: Instant] = [:]
        for number in 0..<100 {
            last[.value(key: [1, UInt8(number)])] = start
            last[.provider(key: [2, UInt8(number)])] = start
        }
        let told = try run(setting, hours: 60)
        #expect(Set(told.map(\.0)).count == 200)
        for (publication, at) in told {
            let gap = at.millisecondsSince(try #require(last[publication]))
            #expect((18 * Self.hour...23 * Self.hour).contains(gap), "\(gap)")
            last[publication] = at
        }
        for at in last.values { #expect(setting.world.wall.millisecondsSince(at) < 23 * Self.hour) }
        // Of the first day: not all in one hour.
        let first = told.prefix(200).map { $0.1.millisecondsSince(start) / Self.hour }
        #expect(Set(first).count >= 4)
        try await setting.store.close()
    }

    @Test(
        "what could not be told is tried again in minutes, not at once, and not in a day",
        arguments: [(1, 0), (0, 1)])
    func failing(values: Int, providers: Int) async throws {
        let setting = try await setting(values: values, providers: providers, age: 30 * Self.hour)
        let told = try run(setting, hours: 2, succeeds: false)
        #expect((8...14).contains(told.count))
        try await setting.store.close()
    }

    @Test("what is stamped ahead of time, by a clock that was wrong, is due")
    func ahead() async throws {
        let setting = try await setting(values: 1, providers: 1, age: -100 * Self.hour)
        let told = try run(setting, hours: 1)
        #expect(Set(told.map(\.0)) == [.value(key: [1, 0]), .provider(key: [2, 0])])
        try await setting.store.close()
    }

    @Test("after a restart that is told which was due meanwhile, and nothing else")
    func restart() async throws {
        let setting = try await setting(values: 5, age: 30 * Self.hour)
        for number in 10..<15 { try store(setting, .value(key: [1, UInt8(number)]), at: setting.world.wall) }
        _ = setting.engine.stop(at: setting.world.time)
        try await setting.store.close()
        let store = try await setting.files.open()
        var configuration = EngineConfiguration()
        configuration.maintains = true
        let engine = try await Setting.engine(store, setting.world, configuration)
        setting.world.take(engine.start(at: setting.world.time))
        setting.world.run(engine, for: 2 * 60_000)
        // Those after the first four wait until one of them is done.
        for publication in setting.world.publications {
            setting.world.take(engine.published(publication, at: setting.world.time))
        }
        setting.world.run(engine, for: 1_000)
        let expected = Set((0..<5).map { Publication.value(key: [1, UInt8($0)]) })
        #expect(Set(setting.world.publications) == expected)
        try await store.close()
    }

    @Test("what is being told already is not told a second time")
    func once() async throws {
        let setting = try await setting(values: 1, age: 30 * Self.hour)
        let publication = Publication.value(key: [1, 0])
        setting.world.take(setting.engine.publishes(publication, at: setting.world.time))
        setting.world.run(setting.engine, for: Self.hour)
        #expect(setting.world.publications.isEmpty)
        setting.world.take(setting.engine.published(publication, at: setting.world.time))
        setting.world.run(setting.engine, for: Self.hour / 2)
        #expect(setting.world.publications == [publication])
        try await setting.store.close()
    }

    @Test(
        "what another process publishes beside the node is noticed, and told again; what another identity provides is not"
    )
    func beside() async throws {
        let setting = try await setting(values: 0)
        setting.world.run(setting.engine, for: Self.hour)
        let other = try await setting.files.open()
        let stamp = setting.world.wall.advanced(byMilliseconds: -30 * Self.hour)
        let stranger = try setting.peer(setting.world.nodes[0])
        for (number, peer) in [setting.engine.identity.peer, stranger].enumerated() {
            try other.record(
                .providerStored(
                    StoredProvider(
                        key: [UInt8(number)], peer: peer, addresses: [], receivedAt: stamp, expiresAt: stamp,
                        isOwn: true)))
        }
        try await other.close()
        // The store looks for others' commits on a queue of its own, for which no virtual time waits.
        _ = setting.store.foreignCommits()
        try await setting.store.flush()
        setting.world.run(setting.engine, for: Self.hour / 4)
        #expect(setting.world.publications == [.provider(key: [0])])
        try await setting.store.close()
    }

    @Test("a node that publishes nothing has no timer for it, and one that does not maintain itself neither")
    func nothing() async throws {
        let setting = try await setting(values: 0)
        setting.world.run(setting.engine, for: Self.hour)
        #expect(setting.engine.upkeep.publishing == nil)
        try await setting.store.close()
        let passive = try await Setting(count: 5)
        passive.world.take(passive.engine.publishes(.value(key: [1]), at: passive.world.time))
        #expect(passive.engine.upkeep.publishing == nil)
        try await passive.store.close()
    }

    @Test("expired content is swept once in each round of the retention sweep")
    func sweep() async throws {
        let setting = try await setting(values: 0)
        setting.world.run(setting.engine, for: 3 * Self.hour)
        #expect((3...4).contains(setting.world.sweeps.count))
        #expect(zip(setting.world.sweeps, setting.world.sweeps.dropFirst()).allSatisfy { $0 < $1 })
        try await setting.store.close()
    }
}
