import Kademlia
import Multiformats
import Testing

@testable import KadStore

@Suite("A damaged row")
struct DamageTests {
    /// Two peers, the first one's row damaged.
    private func withDamage(_ sql: String, _ body: (Store, _ broken: Key, _ sound: Key) async throws -> Void)
        async throws
    {
        let scratch = Scratch()
        let (broken, sound) = (Key(1, 0, 0, 1), Key(2, 0, 0, 2))
        try await scratch.withStore { store in
            for key in [broken, sound] {
                try store.hear(key)
                try store.record(.failed(try store.peer(at: key), address: nil, .timeout, at: .seconds(1)))
                let state = BackoffState(streakMilli: 1, streakAt: .seconds(1), lastClass: .timeout)
                try store.record(.backoff(try store.peer(at: key), state))
            }
        }
        do {
            let connection = try Connection(path: scratch.path(), access: .readWrite)
            try connection.execute(sql)
        }
        let store = try await Store.open(scratch.path())
        try await body(store, broken, sound)
        try await store.close()
    }

    @Test(
        "is left out by name, and stops neither reading nor writing",
        arguments: [
            "UPDATE peer SET addresses = x'ff01', seal = NULL WHERE substr(key, 8, 1) = x'01'",
            "UPDATE peer SET id = x'', seal = NULL WHERE substr(key, 8, 1) = x'01'",
            "UPDATE failure SET class = 99, seal = NULL WHERE substr(key, 8, 1) = x'01'",
            "UPDATE failure SET address = x'ff', seal = NULL WHERE substr(key, 8, 1) = x'01'",
            "UPDATE backoff SET class = 0, seal = NULL WHERE substr(key, 8, 1) = x'01'",
        ])
    func isLeftOut(sql: String) async throws {
        try await withDamage(sql) { store, broken, sound in
            let page = try store.peers()
            #expect(page.peers.map(\.key) == [sound])
            #expect(page.damaged == [broken])
            #expect(page.next == nil)
            #expect(throws: StoreError.self) { try store.record(of: broken) }

            for key in [broken, sound] {
                try store.record(.answered(try store.peer(at: key), address: nil, rtt: nil, at: .seconds(9)))
            }
            #expect(try store.nearest(to: sound, count: 1).peers.map(\.key) == [sound])
            try await store.flush()
            #expect(try store.record(of: sound)?.successes == 1)
            #expect(try store.peers().damaged == [broken])

            let loader = try store.bulkLoader(BulkOptions(now: .seconds(10)))
            for key in [broken, sound] {
                let address = ImportedPeer.Address(.test(77))
                try loader.add(ImportedPeer(id: try store.peer(at: key).id, addresses: [address]))
            }
            let summary = try await loader.finish()
            #expect(summary.damagedPeers == 1 && summary.peers.updated == 1)
            #expect(try store.record(of: sound)?.addresses.count == 2)
            #expect(try await store.check(full: true).isSound == false)
        }
    }

    @Test("an early end goes on behind what is certain, and misses nothing")
    func inexactPages() async throws {
        let scratch = Scratch()
        var generator = SeededGenerator(seed: 3)
        let keys = (0..<400).map { _ in Key.random(using: &generator) }
        try await scratch.withStore { store in
            try await store.fill(keys)
            for limit in [1, 5, 20, 45] {
                let target = Key.random(using: &generator)
                let page = try store.nearest(to: target, count: 30, maxRows: limit)
                #expect(!page.isExact || page.cost.rows <= limit)
                guard !page.isExact, let token = page.next else { continue }
                let order = keys.sorted { $0.distance(to: target) < $1.distance(to: target) }
                let certain = order.prefix { $0.distance(to: target) <= token.distance }
                #expect(page.peers.map(\.key).starts(with: certain))
                let rest = try store.nearest(to: target, count: 30, after: token)
                #expect(rest.peers.map(\.key) == Array(order.dropFirst(certain.count).prefix(30)))
            }
        }
    }
}
