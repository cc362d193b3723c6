import Kademlia
import Multiformats
import TestSupport
import Testing

@testable import KadStore

@Suite("Nearest peers from disk")
struct NearestTests {
    @Test("are those of brute force, in every key space and distribution", arguments: [256, 160, 128])
    func agreesWithBruteForce(bits: Int) async throws {
        let scratch = Scratch()
        for set in IndexKeys.allCases {
            for seed in Seeds.first(4) {
                var generator = SeededGenerator(seed: seed)
                let drawn = set.keys(count: Int.random(in: 0...400, using: &generator), using: &generator)
                let keys = Set(drawn.map { $0.prefix(bits, followedBy: .zero) }).sorted()
                try await scratch.withStore("\(set)-\(seed).db", .test(bits)) { store in
                    try await store.fill(keys)
                    for _ in 0..<100 {
                        let target = IndexKeys.target(near: keys, using: &generator).prefix(bits, followedBy: .zero)
                        let count = Int.random(in: 1...40, using: &generator)
                        let page = try store.nearest(to: target, count: count)
                        #expect(
                            page.peers.map(\.key) == bruteForceNearest(keys, to: target, count: count),
                            "\(set), seed \(seed), target \(target), count \(count)")
                        #expect(page.isExact)
                        #expect(page.cost.rows <= 4_000)
                        #expect(page.cost.seeks <= 768)
                    }
                }
            }
        }
    }

    @Test("with a filter and in pages, are those of brute force", arguments: Seeds.first(6))
    func filteredPages(seed: UInt64) async throws {
        let scratch = Scratch()
        for set in IndexKeys.allCases {
            var generator = SeededGenerator(seed: seed)
            let keys = Set(set.keys(count: 300, using: &generator)).sorted()
            try await scratch.withStore("\(set).db") { store in
                try await store.fill(keys)
                let target = IndexKeys.target(near: keys, using: &generator)
                let blocked = Set(keys.filter { _ in Bool.random(using: &generator) })
                let filter = PeerFilter.every([.everAnswered, .excluding(blocked)])
                var found: [Key] = []
                var token: NearestToken?
                repeat {
                    let page = try store.nearest(to: target, count: 17, where: filter, after: token)
                    found += page.peers.map(\.key)
                    token = page.next
                } while token != nil
                let expected = bruteForceNearest(keys, to: target, count: .max) { key in
                    key.word3 & 1 == 1 && !blocked.contains(key)
                }
                #expect(found == expected, "\(set), seed \(seed)")
            }
        }
    }

    @Test("see queued events: newcomers, changes and departures, page by page", arguments: Seeds.first(8))
    func pendingEvents(seed: UInt64) async throws {
        let scratch = Scratch()
        var options = StoreOptions()
        options.batchCount = .max
        options.batchMilliseconds = 3_600_000
        var generator = SeededGenerator(seed: seed)
        let keys = Set(IndexKeys.mostlyClustered.keys(count: 200, using: &generator)).sorted()
        try await scratch.withStore(options: options) { store in
            try await store.fill(keys.prefix(100))
            var present = Set(keys.prefix(100))
            for key in keys.dropFirst(100).prefix(60) {
                try store.hear(key)
                present.insert(key)
            }
            for key in keys.shuffled(using: &generator).prefix(50) {
                try store.record(.forgotten(try store.peer(at: key), leaving: nil))
                present.remove(key)
            }
            for phase in 0..<2 {
                for _ in 0..<50 {
                    let target = IndexKeys.target(near: keys, using: &generator)
                    var found: [Key] = []
                    var token: NearestToken?
                    repeat {
                        let page = try store.nearest(to: target, count: 30, after: token)
                        found += page.peers.map(\.key)
                        token = page.next
                    } while token != nil
                    let expected = bruteForceNearest(Array(present), to: target, count: .max)
                    #expect(found == expected, "seed \(seed), phase \(phase)")
                }
                var listed: [Key] = []
                var last: Key?
                repeat {
                    let page = try store.peers(after: last, limit: 7)
                    listed += page.peers.map(\.key)
                    last = page.next
                } while last != nil
                #expect(listed == present.sorted(), "seed \(seed), phase \(phase)")
                // The second time from the database alone.
                try await store.flush()
            }
        }
    }

    @Test("from a million rows, nine in ten sharing 200 bits with the target: few rows, with or without a filter")
    func millionRows() async throws {
        let scratch = Scratch()
        var generator = SeededGenerator(seed: 1)
        let hub = Key.random(using: &generator)
        var keys: [Key] = []
        keys.reserveCapacity(1_000_000)
        for index in 0..<1_000_000 {
            let random = Key.random(using: &generator)
            keys.append(index % 10 == 0 ? random : hub.prefix(200, followedBy: random))
        }
        let identity = try await scratch.withStore { [keys] store in
            try await store.fill(keys)
            let identity = try await store.identity(try store.peer(at: hub).id)
            var table = RoutingTable(localKey: hub, configuration: store.tableConfiguration)
            for key in keys.prefix(20_000) {
                for directive in table.heard(from: key, in: nil, at: .seconds(0)) {
                    guard case .changed(let bucket) = directive else { continue }
                    guard let snapshot = table.snapshot(ofBucket: bucket) else { continue }
                    try store.record(.bucket(snapshot, identity: identity.number))
                }
                if keys[0] == key { try await store.flush() }
            }
            return identity
        }
        let store = try await Store.open(scratch.path(), mode: .readOnly)
        let misses = try store.cacheMisses()
        let restored = try store.routingTable(of: identity, configuration: store.tableConfiguration)
        #expect(restored.faults.isEmpty)
        #expect(restored.table.count > 300)
        let pages = try store.cacheMisses() - misses
        #expect(pages <= 100, "restoring \(restored.table.count) contacts read \(pages) pages")

        var rows = 0
        for _ in 0..<200 {
            let near = hub.prefix(200, followedBy: .random(using: &generator))
            let page = try store.nearest(to: near)
            rows += page.cost.rows
            #expect(page.cost.rows <= 4_000 && page.cost.seeks <= 768)
            #expect(page.peers.count == 20)
        }
        #expect(rows <= 200 * 150)

        let target = hub.prefix(200, followedBy: .random(using: &generator))
        let nearest = bruteForceNearest(keys, to: target, count: 3_020)
        #expect(try store.nearest(to: target).peers.map(\.key) == Array(nearest.prefix(20)))
        let blocked = Set(nearest.prefix(3_000))
        let beyond = try store.nearest(to: target, where: .excluding(blocked))
        #expect(beyond.peers.map(\.key) == Array(nearest.suffix(20)))
        #expect(beyond.cost.rows <= 4_000 + 3 * 3_000)
        #expect(beyond.isExact)

        let limited = try store.nearest(to: target, where: .excluding(blocked), maxRows: 500)
        #expect(!limited.isExact)
        #expect(limited.cost.rows <= 500)
        try await store.close()
    }

    @Test(
        "uniform keys cost at most 33 rows and 2 searches on average, at any size",
        arguments: [1_000, 10_000, 50_000])
    func uniformCost(count: Int) async throws {
        let scratch = Scratch()
        try await scratch.withStore { store in
            var generator = SeededGenerator(seed: UInt64(count))
            try await store.fill((0..<count).map { _ in Key.random(using: &generator) })
            var rows = 0
            for _ in 0..<1_000 {
                let page = try store.nearest(to: .random(using: &generator))
                rows += page.cost.rows
                #expect(page.cost.seeks == 2)
            }
            #expect(rows <= 33 * 1_000)
        }
    }

    @Test("carry ids and addresses, stored or queued")
    func contents() async throws {
        let scratch = Scratch()
        try await scratch.withStore { store in
            let keys = (1...3).map { Key(UInt64($0), 0, 0, UInt64($0)) }
            for (index, key) in keys.enumerated() {
                try store.hear(key)
                if index == 1 { try await store.flush() }
            }
            let page = try store.nearest(to: .zero)
            #expect(page.peers.map(\.key) == keys)
            #expect(page.peers.map { Key(bytes: $0.id.bytes) } == keys)
            #expect(page.peers.map { Array($0.addresses) } == (1...3).map { [Multiaddr.test($0)] })
        }
    }

    @Test("refuse targets that are wider than the keys")
    func wideTargets() async throws {
        let scratch = Scratch()
        try await scratch.withStore("narrow.db", .test(160)) { store in
            try store.hear(Key(1, 2, 0, 0))
            #expect(throws: StoreError.self) { try store.nearest(to: Key(1, 2, 0, 1)) }
            let token = NearestToken(target: .zero, distance: Distance(0, 0, 0, 1))
            #expect(throws: StoreError.self) { try store.nearest(to: .zero, after: token) }
            #expect(try store.nearest(to: Key(1, 2, 0xffff_ffff << 32, 0)).peers.count == 1)
        }
    }

    @Test("go on page by page where keys are narrower than 256 bits", arguments: [128, 160, 256])
    func narrowPages(bits: Int) async throws {
        let scratch = Scratch()
        try await scratch.withStore("narrow.db", .test(bits)) { store in
            // Neighbours: a page that ends with one begins with the next, in both directions.
            let keys = (0..<9).map { Key(1, UInt64($0), 0, 0) }
            for key in keys + [Key.max.lowerBound(prefix: bits)] { try store.hear(key) }
            try await store.flush()
            for target in keys {
                var found: [Key] = []
                var token: NearestToken?
                repeat {
                    let page = try store.nearest(to: target, count: 1, after: token)
                    found += page.peers.map(\.key)
                    token = page.next
                } while token != nil
                #expect(found.count == 10)
                #expect(found == found.sorted { $0.distance(to: target) < $1.distance(to: target) })
            }
        }
    }

    @Test("end on a table whose keys are not in order")
    func disorder() async throws {
        let scratch = Scratch()
        try await scratch.withStore { store in
            for index in 1...50 { try store.hear(Key(UInt64(index), 0, 0, 0)) }
        }
        // Opened before: a file with such a table is refused.
        let store = try await Store.open(scratch.path(), mode: .readOnly)
        do {
            // Texts sort before all blobs, whatever their bytes: every downward scan ends in them.
            let connection = try Connection(path: scratch.path(), access: .readWrite)
            try connection.execute(
                """
                PRAGMA writable_schema = RESET; ALTER TABLE peer RENAME TO old;
                CREATE TABLE peer (key PRIMARY KEY, id, addresses, first_seen, last_seen, last_ok, not_before, wait_ms,
                    rtt_us, rtt_var_us, successes, days_seen, agent, protocols, source, seal) WITHOUT ROWID;
                INSERT INTO peer SELECT * FROM old;
                INSERT INTO peer (key, id, addresses) VALUES ('zzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzz', x'01', x'')
                """)
        }
        var token: NearestToken?
        #expect(throws: StoreError.self) {
            for _ in 0..<100 {
                token = try store.nearest(to: .max, count: 10, after: token).next
                if token == nil { return }
            }
        }
        try await store.close()
    }

    @Test("refuse a page of nothing, a page without bounds, and a token of another search")
    func arguments() async throws {
        let scratch = Scratch()
        try await scratch.withStore { store in
            #expect(throws: StoreError.self) { try store.nearest(to: .zero, count: 0) }
            #expect(throws: StoreError.self) { try store.nearest(to: .zero, count: Store.maximumPageCount + 1) }
            let token = NearestToken(target: .max, distance: .zero)
            #expect(throws: StoreError.self) { try store.nearest(to: .zero, after: token) }
            let beyond = NearestToken(target: .zero, distance: .max)
            #expect(try store.nearest(to: .zero, after: beyond).peers.isEmpty)
            let empty = try store.nearest(to: .zero)
            #expect(empty.peers.isEmpty && empty.isExact && empty.next == nil)
        }
    }
}
