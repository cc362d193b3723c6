import Kademlia
import Multiformats
import TestSupport
import Testing

@testable import KadStore

extension OutageGuard.Held {
    static func test(_ key: Key, at: Instant = .seconds(1), count: Int = 1) -> OutageGuard.Held {
        OutageGuard.Held(
            key: key, group: .ipv4(UInt32(key.word0 & 0xffff)), failureClass: .timeout, at: at, isWitnessed: count > 1,
            count: count, redialledAt: count > 1 ? at.advanced(byMilliseconds: 5) : nil)
    }
}

extension LookupSummary {
    static func test(_ number: Int, identity: Int64? = nil) -> LookupSummary {
        LookupSummary(
            identity: identity, finishedAt: .seconds(Int64(number)),
            reason: Lookup.FinishReason.allCases[number % Lookup.FinishReason.allCases.count],
            milliseconds: Int64(number), queries: number, answers: number / 2, failures: number - number / 2,
            timeouts: number / 4, skipped: 1, slow: 2, refills: 3, hops: number % 5, offered: 6, entered: 7,
            distances: 8,
            peakFrontier: 9)
    }
}

/// Reads that must say the same while events are queued, when they are written, and after opening again.
private func inEveryState(
    _ scratch: Scratch, _ record: (Store) async throws -> Void, _ expect: (Store, _ state: String) throws -> Void
) async throws {
    try await scratch.withStore { store in
        try await record(store)
        try expect(store, "queued")
        try await store.flush()
        try expect(store, "written")
    }
    let again = try await Store.open(scratch.path())
    try expect(again, "opened again")
    #expect(try await again.check(full: true).problems == [])
    try await again.close()
}

@Suite("What a node remembers beside its peers")
struct EngineTests {
    @Test("held failures come and go with the guard's word and with their peers")
    func held() async throws {
        let keys = (1...6).map { Key($0, 0, 0, 0) }
        try await inEveryState(Scratch()) { store in
            for key in keys.prefix(5) { try store.hear(key) }
            for key in keys { try store.record(.held(.test(key))) }
            try store.record(.held(.test(keys[1], at: .seconds(9), count: 3)))
            try store.record(.settled(keys[2]))
            try store.record(.forgotten(try store.peer(at: keys[3]), leaving: nil))
            // Forgotten and heard of again before anything was written: the failure was the old one's.
            try store.record(.forgotten(try store.peer(at: keys[4]), leaving: nil))
            try store.hear(keys[4])
        } _: { (store, state) throws in
            #expect(
                try store.heldFailures() == [.test(keys[0]), .test(keys[1], at: .seconds(9), count: 3)], "\(state)")
        }
    }

    @Test("queued words about held failures change what is stored")
    func heldTwice() async throws {
        let keys = (1...3).map { Key($0, 0, 0, 0) }
        try await inEveryState(Scratch()) { store in
            for key in keys {
                try store.hear(key)
                try store.record(.held(.test(key)))
            }
            try await store.flush()
            try store.record(.held(.test(keys[0], at: .seconds(2), count: 2)))
            try store.record(.settled(keys[1]))
            try store.record(.forgotten(try store.peer(at: keys[2]), leaving: nil))
        } _: { (store, state) throws in
            #expect(try store.heldFailures() == [.test(keys[0], at: .seconds(2), count: 2)], "\(state)")
        }
    }

    @Test("of held failures the newest are kept")
    func heldCap() async throws {
        let limit = Store.maximumHeldFailures
        try await inEveryState(Scratch()) { store in
            for number in 1...UInt64(limit + 50) {
                let key = Key(number, 0, 0, 0)
                try store.hear(key)
                try store.record(.held(.test(key, at: .seconds(Int64(number)))))
            }
        } _: { (store, state) throws in
            let held = try store.heldFailures()
            #expect(held.count == limit, "\(state)")
            #expect(held.first?.key == Key(51, 0, 0, 0), "\(state)")
        }
    }

    @Test("events that no table can hold are refused, and block nothing")
    func refused() async throws {
        let scratch = Scratch()
        try await scratch.withStore("narrow.db", .test(160)) { store in
            let wide = Key(1, 2, 3, 4)
            let events: [StoreEvent] = [
                .held(.test(Key(1, 0, 0, 0), count: 0)), .held(.test(wide)), .settled(wide),
                .witnesses(
                    [
                        .init(group: nil, at: .seconds(0)), .init(group: nil, at: .seconds(1)),
                        .init(group: nil, at: .seconds(2)),
                    ], canaryAt: nil),
                .online(from: .seconds(2), to: .seconds(1)),
                .lookedUp(LookupSummary(finishedAt: .seconds(0), reason: .complete, queries: -1)),
            ]
            for event in events { #expect(throws: StoreError.self, "\(event)") { try store.record(event) } }
            try store.record(.lookedUp(.test(1, identity: 77)))
            try store.record(.held(.test(Key(9, 0, 0, 0))))
            try await store.flush()
            #expect(try store.lookupStatistics().recent == [.test(1)])
            #expect(try store.heldFailures() == [])
        }
    }

    @Test("the guard's witnesses are the last ones it told")
    func witnesses() async throws {
        let first = OutageGuard.Witness(group: .ipv4(1), at: .seconds(1))
        let second = OutageGuard.Witness(group: .ipv6(2), at: .seconds(2), since: .seconds(1), spacing: 400)
        let third = OutageGuard.Witness(group: nil, at: .seconds(3))
        try await inEveryState(Scratch()) { store in
            try store.record(.witnesses([first], canaryAt: nil))
            try await store.flush()
            try store.record(.witnesses([first, second], canaryAt: .seconds(7)))
            try store.record(.witnesses([second, third], canaryAt: .seconds(9)))
        } _: { (store, state) throws in
            let (witnesses, canaryAt) = try store.witnesses()
            #expect(witnesses == [second, third] && canaryAt == .seconds(9), "\(state)")
        }
        try await inEveryState(Scratch()) { store in
            try store.record(.witnesses([first], canaryAt: .seconds(1)))
            try await store.flush()
            try store.record(.witnesses([], canaryAt: nil))
        } _: { (store, state) throws in
            let (witnesses, canaryAt) = try store.witnesses()
            #expect(witnesses.isEmpty && canaryAt == nil, "\(state)")
        }
    }

    @Test("sessions grow, and merge as online time itself does", arguments: Seeds.first(8))
    func sessions(seed: UInt64) async throws {
        var generator = SeededGenerator(seed: seed)
        let spans = (0..<60).map { _ in
            let start = Int64.random(in: 0..<200_000, using: &generator)
            return (Instant.seconds(start), Instant.seconds(start + Int64.random(in: 0..<2_000, using: &generator)))
        }
        var expected = OnlineTime()
        for (start, end) in spans { expected.record(from: start, to: end) }
        try await inEveryState(Scratch()) { store in
            for (index, (start, end)) in spans.enumerated() {
                try store.record(.online(from: start, to: end))
                if index % 7 == 6 { try await store.flush() }
            }
        } _: { (store, state) throws in
            #expect(try store.sessions() == expected, "\(state), seed \(seed)")
        }
    }

    @Test("lookups are kept in sums and, the latest, one by one")
    func lookups() async throws {
        let limit = LookupSummary.maximumCount
        try await inEveryState(Scratch()) { store in
            let identity = try await store.identity(try store.peer(at: Key(1, 0, 0, 0)).id)
            for number in 0..<limit + 100 {
                if number == limit + 90 { try await store.flush() }
                // The last one's identity is not there.
                try store.record(.lookedUp(.test(number, identity: number == limit + 99 ? 77 : identity.number)))
            }
        } _: { (store, state) throws in
            let history = try store.lookupStatistics()
            #expect(history.count == limit + 100, "\(state)")
            let recent = (100..<limit + 100).map { LookupSummary.test($0, identity: $0 == limit + 99 ? nil : 1) }
            #expect(history.recent == recent, "\(state)")
            #expect(history.totals.map(\.reason) == Lookup.FinishReason.allCases, "\(state)")
            #expect(history.total(\.queries) == (limit + 100) * (limit + 99) / 2, "\(state)")
            #expect(history.spread { Int64($0.queries) }?.p50 == Int64(100 + (limit - 1) / 2), "\(state)")
            #expect(history.spread(\.milliseconds)?.p99 == Int64(100 + (limit - 1) * 99 / 100), "\(state)")
        }
    }

    @Test("sums of lookups stay at the largest number")
    func saturation() async throws {
        let immense = LookupSummary(
            finishedAt: .seconds(0), reason: .complete, milliseconds: .max, queries: .max, timeouts: .max)
        try await inEveryState(Scratch()) { store in
            for _ in 0..<3 { try store.record(.lookedUp(immense)) }
            try await store.flush()
            try store.record(.lookedUp(immense))
        } _: { (store, state) throws in
            let totals = try #require(try store.lookupStatistics().totals.first)
            #expect(totals.lookups == 4 && totals.milliseconds == .max && totals.queries == .max, "\(state)")
        }
    }

    @Test("nothing of a lookup's target is stored")
    func privacy() async throws {
        let scratch = Scratch()
        try await scratch.withStore { store in
            try store.record(.lookedUp(.test(1)))
            try await store.flush()
            try store.readers.withReader { reader in
                let columns = try reader.connection.prepare(
                    "SELECT type FROM pragma_table_info('lookup_summary') UNION SELECT type FROM pragma_table_info('lookup_total')"
                )
                while try columns.step() { #expect(columns.text(0) == "INTEGER") }
            }
        }
    }

    @Test("a correction lowers the mark of time, and later marks go on from there")
    func correction() async throws {
        func corrected(_ second: Int64) -> ClockMark {
            ClockMark(highWater: .seconds(second), onlineMilliseconds: 1, isCorrection: true)
        }
        for flushes in [false, true] {
            try await inEveryState(Scratch()) { store in
                try store.record(.clock(ClockMark(highWater: .seconds(1_000), onlineMilliseconds: 5)))
                try await store.flush()
                try store.record(.clock(corrected(10)))
                if flushes { try await store.flush() }
                try store.record(.clock(ClockMark(highWater: .seconds(30), onlineMilliseconds: 6)))
                try store.record(.clock(ClockMark(highWater: .seconds(20), onlineMilliseconds: 7)))
            } _: { (store, state) throws in
                #expect(
                    try store.clock() == ClockMark(highWater: .seconds(30), onlineMilliseconds: 7), "\(state)")
            }
        }
        // Sessions that were dated by a clock that was ahead.
        try await inEveryState(Scratch()) { store in
            try store.record(.online(from: .seconds(0), to: .seconds(900)))
            try store.record(.online(from: .seconds(5_000), to: .seconds(6_000)))
            try await store.flush()
            try store.record(.online(from: .seconds(9_000), to: .seconds(9_999)))
            try store.record(.clock(corrected(600)))
            try store.record(.online(from: .seconds(500), to: .seconds(700)))
        } _: { (store, state) throws in
            let session = OnlineTime.Session(start: .seconds(0), end: .seconds(700))
            #expect(try store.sessions().sessions == [session], "\(state)")
        }
        try await inEveryState(Scratch()) { store in
            try store.record(.clock(corrected(10)))
        } _: { (store, state) throws in
            #expect(try store.clock() == ClockMark(highWater: .seconds(10), onlineMilliseconds: 1), "\(state)")
        }
    }
}
