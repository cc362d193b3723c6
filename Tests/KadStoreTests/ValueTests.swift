import Kademlia
import Multiformats
import TestSupport
import Testing

@testable import KadStore

extension StoredValue {
    static func test(
        _ key: String, _ value: String = "value", at: Int64 = 0, for seconds: Int64 = 100, isOwn: Bool = false
    ) -> StoredValue {
        StoredValue(
            key: Array(key.utf8), value: Array(value.utf8), receivedAt: .seconds(at), expiresAt: .seconds(at + seconds),
            isOwn: isOwn)
    }
}

extension Store {
    func provider(
        _ key: String, _ peer: UInt64, at: Int64 = 0, for seconds: Int64 = 100, addresses: [Int] = [1],
        isOwn: Bool = false
    ) throws -> StoredProvider {
        StoredProvider(
            key: Array(key.utf8), peer: try self.peer(at: Key(peer, 0, 0, 0)), addresses: addresses.map(Multiaddr.test),
            receivedAt: .seconds(at), expiresAt: .seconds(at + seconds), isOwn: isOwn)
    }
}

/// Reads that must say the same while events are queued, when they are written, and after opening again.
private func inEveryState(
    _ scratch: Scratch = Scratch(), options: StoreOptions = StoreOptions(),
    _ record: (Store) async throws -> Void, _ expect: (Store, _ state: String) throws -> Void
) async throws {
    try await scratch.withStore(options: options) { store in
        try await record(store)
        try expect(store, "queued")
        try await store.flush()
        try expect(store, "written")
    }
    let again = try await Store.open(scratch.path(), options: options)
    try expect(again, "opened again")
    #expect(try await again.check(full: true).problems == [])
    try await again.close()
}

@Suite("Values and providers")
struct ValueTests {
    private static func bytes(_ text: String) -> [UInt8] { Array(text.utf8) }

    @Test("are there at once, written, and after a restart, until they expire")
    func values() async throws {
        let (old, new) = (StoredValue.test("/a/1", "old"), StoredValue.test("/a/1", "new", at: 5))
        try await inEveryState { store in
            try store.record(.valueStored(old))
            #expect(try store.value(old.key, at: .seconds(1)) == old)
            try store.record(.valueStored(new))
            try store.record(.valueStored(.test("/a/2")))
            try store.record(.valueForgotten(Self.bytes("/a/2")))
            try store.record(.valueStored(.test("/a/3", "", for: 10)))
        } _: { (store, state) throws in
            #expect(try store.value(new.key, at: .seconds(104)) == new, "\(state)")
            #expect(try store.value(new.key, at: .seconds(105)) == nil, "\(state)")
            #expect(try store.value(Self.bytes("/a/2"), at: .seconds(1)) == nil, "\(state)")
            #expect(try store.value(Self.bytes("/a/3"), at: .seconds(9))?.value == [], "\(state)")
            #expect(try store.ownValues().values == [], "\(state)")
        }
    }

    @Test("of our own never expire, and give way to nobody's but a withdrawal")
    func own() async throws {
        let mine = StoredValue.test("/k/mine", "ours", isOwn: true)
        let withdrawn = StoredValue.test("/k/withdrawn", isOwn: true)
        try await inEveryState { store in
            for value in [mine, withdrawn] { try store.record(.valueStored(value)) }
            let us = try store.provider("content", 7, isOwn: true)
            try store.record(.providerStored(us))
            for phase in 0..<2 {
                try store.record(.valueStored(.test("/k/mine", "theirs", at: Int64(phase + 1))))
                try store.record(.providerStored(try store.provider("content", 7, at: 50, addresses: [9])))
                if phase == 0 { try await store.flush() }
            }
            try store.record(.valueForgotten(withdrawn.key))
            try store.record(.valueStored(.test("/k/withdrawn", "theirs")))
        } _: { (store, state) throws in
            #expect(try store.value(mine.key, at: .seconds(1_000_000)) == mine, "\(state)")
            #expect(try store.ownValues().values == [mine], "\(state)")
            #expect(try store.value(withdrawn.key, at: .seconds(1))?.isOwn == false, "\(state)")
            let us = try store.provider("content", 7, isOwn: true)
            #expect(try store.providers(of: us.key, at: .seconds(1_000_000)) == [us], "\(state)")
            #expect(try store.ownProviders().providers == [us], "\(state)")
        }
    }

    @Test("of a key are told newest first, each provider once")
    func providers() async throws {
        try await inEveryState { store in
            for peer in 1...5 {
                try store.record(.providerStored(try store.provider("c", UInt64(peer), at: Int64(peer))))
            }
            try store.record(.providerStored(try store.provider("c", 2, at: 9, addresses: [3, 4])))
            try store.record(.providerForgotten(Self.bytes("c"), peer: Key(4, 0, 0, 0)))
            try store.record(.providerStored(try store.provider("d", 1)))
        } _: { (store, state) throws in
            let found = try store.providers(of: Self.bytes("c"), at: .seconds(10))
            #expect(found.map(\.peer.key.word0) == [2, 5, 3, 1], "\(state)")
            #expect(found.first == (try store.provider("c", 2, at: 9, addresses: [3, 4])), "\(state)")
            #expect(try store.providers(of: Self.bytes("c"), limit: 2, at: .seconds(10)).count == 2, "\(state)")
            // The first of them has expired by then.
            #expect(try store.providers(of: Self.bytes("c"), at: .seconds(103)).count == 2, "\(state)")
            #expect(try store.providers(of: Self.bytes("none"), at: .seconds(10)) == [], "\(state)")
        }
    }

    @Test("too large are refused by name, and block nothing")
    func tooLarge() async throws {
        let scratch = Scratch()
        try await scratch.withStore { store in
            var value = StoredValue.test(String(repeating: "k", count: 128))
            value.value = [UInt8](repeating: 1, count: StoredValue.maximumValueBytes)
            try store.record(.valueStored(value))
            value.value.append(1)
            let oversized = value
            #expect(
                throws: StoreError.tooLarge(
                    what: "a value", bytes: StoredValue.maximumValueBytes + 1, limit: StoredValue.maximumValueBytes)
            ) { try store.record(.valueStored(oversized)) }
            let long = Self.bytes(String(repeating: "k", count: 129))
            let provider = try store.provider(String(repeating: "k", count: 129), 1)
            let events: [StoreEvent] = [
                .valueForgotten(long), .providerStored(provider), .providerForgotten(long, peer: .zero),
            ]
            for event in events {
                #expect(throws: StoreError.tooLarge(what: "a key", bytes: 129, limit: 128)) { try store.record(event) }
            }
            #expect(throws: StoreError.self) { try store.record(.valueStored(.test(""))) }
            try await store.flush()
            #expect(try store.value(oversized.key, at: .seconds(1))?.value.count == StoredValue.maximumValueBytes)
        }
        try await scratch.withStore("narrow.db", .test(160)) { store in
            let wide = Peer(id: try store.peer(at: Key(1, 0, 0, 0)).id, key: Key(1, 2, 3, 4))
            let provider = StoredProvider(
                key: [1], peer: wide, addresses: [], receivedAt: .seconds(0), expiresAt: .seconds(1))
            #expect(throws: StoreError.self) { try store.record(.providerStored(provider)) }
            #expect(throws: StoreError.self) { try store.record(.providerForgotten([1], peer: wide.key)) }
        }
    }

    @Test("wait in a queue that is bounded by their bytes, which keeps no other event out")
    func queueBytes() async throws {
        let scratch = Scratch()
        var options = StoreOptions()
        (options.batchCount, options.batchMilliseconds) = (100_000, 3_600_000)
        (options.batchBytes, options.queueBytes) = (1 << 30, 1_000)
        try await scratch.withStore(options: options) { store in
            let text = String(repeating: "v", count: 600)
            for key in ["a", "b"] { try store.record(.valueStored(.test(key, text))) }
            for _ in 0..<2 {
                #expect(throws: StoreError.backlog(limit: 2)) { try store.record(.valueStored(.test("c", text))) }
            }
            try store.hear(Key(1, 0, 0, 0))
            try store.record(.valueForgotten(Self.bytes("a")))
            try await store.flush()
            for key in ["c", "d"] { try store.record(.valueStored(.test(key, text))) }
            try await store.flush()
            #expect(try store.holdings().values.count == 3)
        }
    }

    @Test("are committed by themselves when many bytes wait")
    func batchBytes() async throws {
        let scratch = Scratch()
        var options = StoreOptions()
        (options.batchCount, options.batchMilliseconds, options.batchBytes) = (100_000, 3_600_000, 1_000)
        try await scratch.withStore(options: options) { store in
            try store.record(.valueStored(.test("a", String(repeating: "v", count: 2_000))))
            for _ in 0..<400 where try store.holdings().values.count == 0 {
                try await Task.sleep(for: .milliseconds(10))
            }
            #expect(try store.holdings().values.count == 1)
        }
    }

    @Test("of others stay within the limits under a flood; what came last stays, and all of our own")
    func flood() async throws {
        let scratch = Scratch()
        var options = StoreOptions()
        options.holdingLimits.values = 50
        options.holdingLimits.valueBytes = 5_000
        options.holdingLimits.providers = 100
        options.holdingLimits.providersPerKey = 10
        try await scratch.withStore(options: options) { store in
            for number in 0..<5 {
                try store.record(.valueStored(.test("own/\(number)", isOwn: true)))
                try store.record(.providerStored(try store.provider("own/\(number)", 1, isOwn: true)))
            }
            for number in 0..<2_000 {
                let text = String(repeating: "v", count: number % 400)
                try store.record(.valueStored(.test("flood/\(number)", text, at: Int64(number))))
                try store.record(
                    .providerStored(try store.provider("flood/\(number / 50)", UInt64(number), at: Int64(number))))
                if number % 300 == 0 { try await store.flush() }
            }
            try await store.flush()
            let holdings = try store.holdings()
            #expect(holdings.values.count <= 50 && holdings.values.bytes <= 5_000 && holdings.values.count > 5)
            #expect(holdings.providers.count == 100)
            #expect(holdings.ownValues.count == 5 && holdings.ownProviders.count == 5)
            #expect(try store.ownValues().values.count == 5)
            #expect(try store.value(Self.bytes("flood/1999"), at: .seconds(2_000)) != nil)
            #expect(try store.value(Self.bytes("flood/3"), at: .seconds(50)) == nil)
            let last = try store.providers(of: Self.bytes("flood/39"), at: .seconds(2_000))
            #expect(last.map(\.peer.key.word0) == (1_990...1_999).reversed())
            #expect(try await store.check(full: true).problems == [])
        }
    }

    @Test("are not dropped for a number that a foreign program made wrong; counting puts it right")
    func wrongNumber() async throws {
        let scratch = Scratch()
        for sql in ["UPDATE holding SET count = 1 << 60, bytes = -5", "DELETE FROM holding"] {
            try await scratch.withStore { store in
                for number in 0..<20 { try store.record(.valueStored(.test("\(number)"))) }
            }
            do {
                let connection = try Connection(path: scratch.path(), access: .readWrite)
                try connection.execute(sql)
            }
            let store = try await Store.open(scratch.path())
            #expect(try await Set(store.check().problems.map(\.place)) == ["holding"], "\(sql)")
            try store.record(.valueStored(.test("20")))
            try await store.flush()
            #expect(try store.value(Self.bytes("0"), at: .seconds(1)) != nil)
            #expect(try await store.recount() == 0)
            #expect(try store.holdings().values.count == 21)
            #expect(try await store.check().problems == [])
            try store.record(.valueForgotten(Self.bytes("20")))
            try await store.close()
        }
    }

    @Test("stamped by a clock that was ahead live no longer than any other, once the clock is right")
    func clockAhead() async throws {
        let scratch = Scratch()
        let week: Int64 = 7 * 86_400
        try await scratch.withStore { store in
            let ahead: Int64 = 400 * 86_400
            try store.record(.valueStored(.test("v", at: ahead, for: 1_000)))
            try store.record(.providerStored(try store.provider("p", 1, at: ahead, for: 1_000)))
            try store.record(.valueStored(.test("far", for: 100 * week)))
            #expect(try store.value(Self.bytes("far"), at: .seconds(week - 1)) != nil)
            #expect(try store.value(Self.bytes("far"), at: .seconds(week)) == nil)
            let report = try await store.sweepValues(at: .seconds(10))
            #expect(report.restamped == 2 && report.removed == 0)
            #expect(try store.value(Self.bytes("v"), at: .seconds(1_009)) != nil)
            #expect(try store.value(Self.bytes("v"), at: .seconds(1_010)) == nil)
            #expect(try store.providers(of: Self.bytes("p"), at: .seconds(1_009)).map(\.addresses) == [[.test(1)]])
            #expect(try await store.sweepValues(at: .seconds(10)) == SweepReport())
            #expect(try await store.sweepValues(at: .seconds(week)).values == 2)
            #expect(try store.holdings() == Holdings())
        }
    }

    @Test("that have expired go in steps, by an index, and a sweep with nothing to do writes nothing")
    func sweep() async throws {
        let scratch = Scratch()
        try await scratch.withStore { store in
            for number in 0..<3_000 {
                try store.record(.valueStored(.test("\(number)", for: number < 2_500 ? 10 : 100)))
                try store.record(.providerStored(try store.provider("\(number)", 1, for: number < 1_500 ? 10 : 100)))
            }
            try store.record(.valueStored(.test("own", for: 10, isOwn: true)))
            try await store.flush()
            var rules = PruneRules()
            rules.expiredBy = .seconds(50)
            let told = try await store.prune(rules, isDryRun: true)
            #expect(told.expired.values == 2_500 && told.expired.providers == 1_500)
            let report = try await store.prune(rules)
            #expect(report.expired == told.expired && report.removed == 4_000)
            #expect(try store.holdings().values.count == 500 && store.holdings().ownValues.count == 1)
            #expect(try await store.sweepValues(at: .seconds(50)) == SweepReport())
            let log = fileSize(DatabaseFiles.log(of: scratch.path()))
            try await store.sweepValues(at: .seconds(50))
            #expect(fileSize(DatabaseFiles.log(of: scratch.path())) == log)
            #expect(try await store.check(full: true).problems == [])
        }
    }

    @Test("of two processes on one file are all there, and each holds its own")
    func twoWriters() async throws {
        let scratch = Scratch()
        try await scratch.withStore { first in
            let second = try await Store.open(scratch.path())
            try await withThrowingTaskGroup(of: Void.self) { group in
                for (number, store) in [first, second].enumerated() {
                    group.addTask {
                        for count in 0..<60 {
                            try store.record(.valueStored(.test("\(number)/\(count)", isOwn: count % 10 == 0)))
                            try store.record(
                                .providerStored(
                                    try store.provider("shared", UInt64(2 * count + number), at: Int64(count))))
                            if count % 7 == 0 { try await store.flush() }
                        }
                        try await store.flush()
                    }
                }
                try await group.waitForAll()
            }
            for store in [first, second] {
                #expect(try store.ownValues().values.count == 12)
                #expect(try store.providers(of: Self.bytes("shared"), at: .seconds(60)).count == 120)
                #expect(try store.holdings().values.count == 108)
            }
            #expect(try await first.check(full: true).problems == [])
            try await second.close()
        }
    }

    @Test("damaged are passed over, named by a check, and stop nobody")
    func damage() async throws {
        let scratch = Scratch()
        try await scratch.withStore { store in
            for peer in 1...3 {
                try store.record(.providerStored(try store.provider("c", UInt64(peer), at: Int64(peer))))
            }
            try store.record(.valueStored(.test("v")))
        }
        do {
            let connection = try Connection(path: scratch.path(), access: .readWrite)
            try connection.execute(
                """
                UPDATE provider SET id = x'' WHERE substr(peer, 8, 1) = x'01';
                UPDATE provider SET addresses = x'ff01' WHERE substr(peer, 8, 1) = x'02';
                INSERT INTO provider VALUES (x'63', x'aa', x'aa', x'', 1, 9223372036854775807, 0, NULL);
                INSERT INTO value (key, received_at, expires_at, is_own, bytes) VALUES (x'', 1, 9223372036854775807, 1, x'');
                INSERT INTO value (key, received_at, expires_at, is_own, bytes)
                VALUES (x'01', 1, 9223372036854775807, 1, zeroblob(2000000))
                """)
        }
        let store = try await Store.open(scratch.path())
        #expect(try store.providers(of: Self.bytes("c"), at: .seconds(5)).map(\.peer.key.word0) == [3])
        #expect(try store.value([1], at: .seconds(5)) == nil)
        #expect(try store.ownValues().values == [])
        #expect(try store.ownProviders().providers == [])
        let problems = try await store.check(full: true).problems
        #expect(Set(problems.map(\.place)) == ["provider", "value", "holding"])
        #expect(problems.count { $0.place == "provider" } == 3)
        #expect(problems.count { $0.place == "value" } == 2)
        // Written anew they are sound again.
        for peer in 1...2 { try store.record(.providerStored(try store.provider("c", UInt64(peer), at: 9))) }
        try store.record(.valueForgotten([1]))
        try await store.flush()
        #expect(try store.providers(of: Self.bytes("c"), at: .seconds(10)).map(\.peer.key.word0) == [1, 2, 3])
        try await store.sweepValues(at: .seconds(3_000_000_000))
        try await store.close()
    }

    @Test("cost a few pages each, however many there are")
    func pages() async throws {
        let scratch = Scratch()
        try await scratch.withStore { store in
            for number in 0..<12_000 {
                let text = String(repeating: "v", count: 500)
                try store.record(.valueStored(.test("\(number)", text, isOwn: number % 4_000 == 0)))
                try store.record(
                    .providerStored(
                        try store.provider("\(number / 4)", UInt64(number), isOwn: number % 4_000 == 0)))
                if number % 4_000 == 0 { try await store.flush() }
            }
        }
        let store = try await Store.open(scratch.path(), mode: .readOnly)
        var before = try store.cacheMisses()
        func cost() throws -> Int {
            defer { before = (try? store.cacheMisses()) ?? 0 }
            return try store.cacheMisses() - before
        }
        #expect(try store.value(Self.bytes("7777"), at: .seconds(1)) != nil)
        #expect(try cost() <= 12)
        #expect(try store.providers(of: Self.bytes("777"), at: .seconds(1)).count == 4)
        #expect(try cost() <= 8)
        #expect(try store.ownValues().values.count == 3)
        #expect(try cost() <= 16)
        #expect(try store.ownProviders().providers.count == 3)
        #expect(try cost() <= 16)
        #expect(try store.holdings().ownValues.count == 3)
        #expect(try cost() <= 2)
        let needsSweep = try store.readers.withReader { try $0.needsSweep(at: .seconds(1)) }
        #expect(!needsSweep)
        #expect(try cost() <= 12)
        try await store.close()
    }
}
