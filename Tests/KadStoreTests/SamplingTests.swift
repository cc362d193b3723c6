import Kademlia
import Multiformats
import TestSupport
import Testing

@testable import KadStore

@Suite("Peers drawn, counted and judged")
struct SamplingTests {
    @Test("a sample is what follows its place, around the end, queued or not", arguments: Seeds.first(6))
    func sample(seed: UInt64) async throws {
        var generator = SeededGenerator(seed: seed)
        let scratch = Scratch()
        try await scratch.withStore { store in
            let keys = Set((0..<60).map { _ in Key.random(using: &generator) }).sorted()
            for (index, key) in keys.shuffled(using: &generator).enumerated() {
                try store.hear(key)
                if index == 30 { try await store.flush() }
            }
            for place in [.zero, .max, keys[0], keys[59]] + (0..<20).map({ _ in Key.random(using: &generator) }) {
                for count in [1, 7, 60, 200] {
                    let split = keys.firstIndex { $0 >= place } ?? keys.count
                    let expected = (keys[split...] + keys[..<split]).prefix(count)
                    let found = try store.sample(at: place, count: count).map(\.key)
                    #expect(found == Array(expected), "seed \(seed), \(count) at \(place)")
                }
            }
        }
    }

    @Test("a sample of a large store reads a few pages of it")
    func bounded() async throws {
        let scratch = Scratch()
        var generator = SeededGenerator(seed: 1)
        try await scratch.withStore { store in
            try await store.fill((0..<20_000).map { _ in Key.random(using: &generator) })
        }
        let store = try await Store.open(scratch.path())
        let before = try store.cacheMisses()
        #expect(try store.sample(at: Key.random(using: &generator), count: 20).count == 20)
        #expect(try store.cacheMisses() - before <= 12)
        try await store.close()
    }

    @Test("in a network of narrow keys every place is one of them")
    func narrow() async throws {
        let scratch = Scratch()
        try await scratch.withStore("narrow.db", .test(160)) { store in
            try store.hear(Key(1, 0, 0, 0))
            #expect(try store.sample(at: .max, count: 3).map(\.key) == [Key(1, 0, 0, 0)])
            #expect(try store.sample(at: Key(1, 0, 0, 7), count: 3).count == 1)
        }
    }

    @Test("the number of peers follows every way of adding and dropping them")
    func count() async throws {
        let scratch = Scratch()
        try await scratch.withStore { store in
            func agrees(_ expected: Int) async throws {
                try await store.flush()
                #expect(try store.peerCount() == expected)
                #expect(try await store.check().problems == [])
            }
            try await agrees(0)
            for number in 1...UInt64(10) { try store.hear(Key(number, 0, 0, 0)) }
            try await agrees(10)
            try store.record(.forgotten(try store.peer(at: Key(1, 0, 0, 0)), leaving: nil))
            try store.record(.forgotten(try store.peer(at: Key(99, 0, 0, 0)), leaving: nil))
            try store.hear(Key(2, 0, 0, 0), at: .seconds(9))
            try await agrees(9)
            let loader = try store.bulkLoader(BulkOptions(now: .seconds(0)))
            for number in 8...UInt64(30) {
                try loader.add(ImportedPeer(id: try store.peer(at: Key(number, 0, 0, 0)).id))
            }
            _ = try await loader.finish()
            try await agrees(29)
        }
        let restored = try await Store.open(scratch.path("copy.db"), mode: .create(.plain, .private))
        let items = try (1...UInt64(5)).map { number -> RestoreItem in
            .peer(PeerRecord(peer: try restored.peer(at: Key(number, 0, 0, 0)), firstSeen: .seconds(0)))
        }
        let twice = Feeder(items + items)
        await #expect(throws: StoreError.self) { try await restored.restore { twice.next() } }
        #expect(try restored.peerCount() == 0)
        let once = Feeder(items)
        try await restored.restore { once.next() }
        #expect(try restored.peerCount() == 5)
        try await restored.close()
    }

    @Test("a number that a foreign program made wrong is named by a check, and put right by counting again")
    func recount() async throws {
        let scratch = Scratch()
        try await scratch.withStore { store in
            for number in 1...UInt64(10) { try store.hear(Key(number, 0, 0, 0)) }
        }
        for (sql, expected) in [
            ("DELETE FROM peer WHERE key > (SELECT key FROM peer ORDER BY key LIMIT 1 OFFSET 3)", 4),
            ("UPDATE tally SET peers = 77", 4), ("DELETE FROM tally", 4),
        ] {
            do {
                let connection = try Connection(path: scratch.path(), access: .readWrite)
                try connection.execute(sql)
            }
            let store = try await Store.open(scratch.path())
            #expect(try await store.check().problems.map(\.place) == ["tally"], "\(sql)")
            #expect(try await store.recount() != 0)
            #expect(try store.peerCount() == expected)
            #expect(try await store.recount() == 0)
            #expect(try await store.check().problems == [])
            try await store.close()
        }
    }

    @Test(
        "a number of peers that is absurd keeps no peer from being written, and is put right by counting",
        arguments: [Int64.max, .max - 1, -1, .min])
    func absurdTally(_ number: Int64) async throws {
        let scratch = Scratch()
        try await scratch.withStore { store in try store.hear(Key(1, 0, 0, 0)) }
        do {
            let connection = try Connection(path: scratch.path(), access: .readWrite)
            try connection.execute("UPDATE tally SET peers = \(number)")
        }
        let store = try await Store.open(scratch.path())
        for number in 2...UInt64(10) { try store.hear(Key(number, 0, 0, 0)) }
        try await store.flush()
        #expect(try store.countPeers() == 10)
        try await store.recount()
        #expect(try store.peerCount() == 10)
        #expect(try await store.check().problems == [])
        try await store.close()
    }

    @Test("probes come in an order of the file's own, the same at every start")
    func probeOrder() async throws {
        let scratch = Scratch()
        let keys = (1...50).map { Key($0, 0, 0, 0) }
        let first = try await scratch.withStore("a.db") { store in keys.map(store.probeOrder(of:)) }
        let again = try await Store.open(scratch.path("a.db"), mode: .readOnly)
        #expect(keys.map(again.probeOrder(of:)) == first)
        try await again.close()
        let other = try await scratch.withStore("b.db") { store in keys.map(store.probeOrder(of:)) }
        #expect(Set(first + other).count == 100)
    }

    @Test("the order is HMAC-SHA256 under the salt in the file")
    func probeOrderVector() async throws {
        let scratch = Scratch()
        try await scratch.withStore { _ in }
        do {
            let connection = try Connection(path: scratch.path(), access: .readWrite)
            try connection.execute("UPDATE network SET salt = zeroblob(32), seal = NULL")
        }
        let store = try await Store.open(scratch.path(), mode: .readOnly)
        // Python: hmac.new(bytes(32), b"probe order" + bytes(range(32)), "sha256").hexdigest()[:16]
        let key = try #require(Key(bytes: Array(UInt8(0)..<32)))
        #expect(store.probeOrder(of: key) == 0x5f9e_054a_6caa_0e89)
        try await store.close()
    }

    @Test("a failure is the peer's where the address is, or where all its addresses fail")
    func speaksAgainst() async throws {
        let scratch = Scratch()
        try await scratch.withStore { store in
            let peer = try store.peer(at: Key(1, 0, 0, 0))
            func judge(_ index: Int, _ failureClass: FailureClass = .timeout) throws -> Bool {
                try #require(try store.record(of: peer.key)).speaksAgainstPeer(at: .test(index), failureClass)
            }
            // Only ever told of: of one address, it is all there is.
            try store.record(.heard(peer, addresses: [.test(1)], source: "a", at: .seconds(0)))
            #expect(try judge(1))
            // Of two, a wrong one that somebody told of says nothing while the other has not failed.
            try store.record(.heard(peer, addresses: [.test(2)], source: "liar", at: .seconds(1)))
            #expect(try !judge(2) && !judge(1))
            #expect(try !judge(3), "an address that nobody told of")
            for _ in 0..<9 { try store.record(.failed(peer, address: .test(2), .refused, at: .seconds(2))) }
            #expect(try !judge(2), "however often it fails")
            #expect(try judge(1), "now both fail")
            try store.record(.answered(peer, address: .test(1), rtt: nil, at: .seconds(3)))
            #expect(try judge(1), "it has proved to be the peer's")
            #expect(try !judge(2))
            for failureClass in FailureClass.allCases {
                #expect(try judge(1, failureClass) == failureClass.countsAgainstPeer)
            }
            let record = try #require(try store.record(of: peer.key))
            #expect(record.speaksAgainstPeer(at: nil, .badResponse) && !record.speaksAgainstPeer(at: nil, .busy))
        }
    }
}

/// Gives the items of a restore one by one.
final class Feeder: @unchecked Sendable {
    // Asked on the store's queue alone.
    private var rest: ArraySlice<RestoreItem>

    init(_ items: [RestoreItem]) { rest = items[...] }

    func next() -> RestoreItem? { rest.popFirst() }
}
