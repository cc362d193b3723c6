import Kademlia
import TestSupport
import Testing

@Suite("Revalidation")
struct RevalidationTests {
    /// Contact i answered in minute i, and nothing since.
    static func table(_ count: UInt64) -> RoutingTable {
        var table = RoutingTable(localKey: .zero, configuration: .init(k: 1000, limits: nil))
        for index in 0..<count {
            _ = table.answered(Key(.max, index, 0, 0), from: nil, at: .minutes(Int64(index)))
        }
        return table
    }

    static func number(_ key: Key) -> UInt64 { key.word1 }

    /// Polls until `count` contacts were named, all at one wall time; nobody answers.
    static func turns(
        _ count: Int, _ revalidation: inout Revalidation, _ table: RoutingTable, wall: Instant,
        using generator: inout SeededGenerator, where isAllowed: (Key) -> Bool = { _ in true }
    ) -> [(number: UInt64, at: Uptime)] {
        var turns: [(UInt64, Uptime)] = []
        for _ in 0..<100 * count where turns.count < count {
            let now = revalidation.nextTick
            let key = revalidation.poll(table, at: now, wall: wall, using: &generator, where: isAllowed)
            if let key { turns.append((number(key), now)) }
        }
        return turns
    }

    @Test("The contact that was silent for longest is asked first, and each before any is asked again")
    func fair() {
        var generator = SeededGenerator(seed: 1)
        let table = Self.table(60)
        var revalidation = Revalidation(at: .seconds(0), using: &generator)
        let turns = Self.turns(180, &revalidation, table, wall: .minutes(1000), using: &generator)
        #expect(turns.map(\.number) == (0..<3).flatMap { _ in 0..<60 as Range<UInt64> })
    }

    @Test("Pings come at random intervals of three seconds in the mean")
    func interval() {
        var generator = SeededGenerator(seed: 2)
        let table = Self.table(200)
        var revalidation = Revalidation(at: .seconds(0), using: &generator)
        let turns = Self.turns(200, &revalidation, table, wall: .minutes(1000), using: &generator)
        let gaps = zip(turns, turns.dropFirst()).map { $1.at.millisecondsSince($0.at) }
        #expect(gaps.allSatisfy { (1...6000).contains($0) })
        #expect(Set(gaps).count > 150)
        let mean = gaps.reduce(0, +) / Int64(gaps.count)
        #expect((2500...3500).contains(mean))
    }

    @Test("Only contacts in doubt are asked; one that answered is not for a quarter of an hour")
    func doubt() {
        var generator = SeededGenerator(seed: 3)
        var table = Self.table(30)
        var revalidation = Revalidation(at: .seconds(0), using: &generator)
        // Contacts 0...14 were silent for 15 minutes.
        var asked: Set<UInt64> = []
        for _ in 0..<40 {
            let now = revalidation.nextTick
            if let key = revalidation.poll(table, at: now, wall: .minutes(29), using: &generator) {
                #expect(asked.insert(Self.number(key)).inserted)
                _ = table.answered(key, from: nil, at: .minutes(29))
            }
        }
        #expect(asked == Set(0...14))
        #expect(revalidation.poll(table, at: revalidation.nextTick, wall: .minutes(29), using: &generator) == nil)
    }

    @Test("A table of one dead contact is not asked at every turn, and nothing is asked before its time")
    func repeats() {
        var generator = SeededGenerator(seed: 4)
        let table = Self.table(1)
        var revalidation = Revalidation(at: .seconds(0), using: &generator)
        let early = Uptime(milliseconds: revalidation.nextTick.milliseconds - 1)
        #expect(revalidation.poll(table, at: early, wall: .minutes(100), using: &generator) == nil)
        let turns = Self.turns(20, &revalidation, table, wall: .minutes(100), using: &generator)
        for (before, after) in zip(turns, turns.dropFirst()) {
            #expect(after.at.millisecondsSince(before.at) >= 30_000)
        }
    }

    @Test("A contact in backoff is passed over and keeps its turn")
    func backoff() {
        var generator = SeededGenerator(seed: 5)
        let table = Self.table(5)
        var revalidation = Revalidation(at: .seconds(0), using: &generator)
        let first = Self.turns(4, &revalidation, table, wall: .minutes(100), using: &generator) {
            Self.number($0) != 0
        }
        #expect(first.map(\.number) == [1, 2, 3, 4])
        let next = Self.turns(2, &revalidation, table, wall: .minutes(100), using: &generator)
        #expect(next.map(\.number) == [0, 1])
    }

    @Test("An empty table has nobody to ask, and extreme times do not trap")
    func extremes() {
        var generator = SeededGenerator(seed: 6)
        let table = Self.table(3)
        for mean in [Int64.min, 0, .max] {
            var revalidation = Revalidation(
                configuration: .init(meanMilliseconds: mean, repeatMilliseconds: mean), at: Uptime(milliseconds: .max),
                using: &generator)
            for time in [Int64.max, .min, 0, .max] {
                for wall in [Int64.min, .max] {
                    _ = revalidation.poll(
                        table, at: Uptime(milliseconds: time), wall: Instant(milliseconds: wall), using: &generator)
                }
            }
            let empty = RoutingTable(localKey: .zero)
            let now = Uptime(milliseconds: .max)
            #expect(revalidation.poll(empty, at: now, wall: .minutes(0), using: &generator) == nil)
        }
    }
}
