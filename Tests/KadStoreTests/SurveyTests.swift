import Kademlia
import Multiformats
import TestSupport
import Testing

@testable import KadStore

@Suite("A survey")
struct SurveyTests {
    @Test("counts what reading every record gives", arguments: Seeds.first(3))
    func agreesWithRecords(seed: UInt64) async throws {
        let scratch = Scratch()
        var random = SeededGenerator(seed: seed)
        var options = StoreOptions()
        let now = Instant.seconds(40 * 86_400)
        options.now = { now }
        try await scratch.withStore(options: options) { store in
            for number in 0..<300 {
                let peer = try store.peer(at: Key.random(using: &random))
                let first = Instant.seconds(Int64.random(in: 0..<30 * 86_400, using: &random))
                let ip = IPAddress.v4(0x0a00_0000 | UInt32.random(in: 0..<0x1000, using: &random))
                let addresses = number % 17 == 0 ? [] : [Multiaddr(ip: ip, tcp: 4001), .test(number)]
                try store.record(.heard(peer, addresses: addresses, source: "s\(number % 5)", at: first))
                let later = first.advanced(byMilliseconds: Int64.random(in: 0..<9 * 86_400_000, using: &random))
                switch number % 4 {
                case 0: try store.record(.answered(peer, address: addresses.last, rtt: Int64(number) * 900, at: later))
                case 1:
                    let failure = FailureClass.allCases.randomElement(using: &random) ?? .timeout
                    try store.record(.failed(peer, address: addresses.first, failure, at: later))
                    let state = BackoffState(
                        streakMilli: 1_000, streakAt: later, lastClass: failure,
                        notBefore: now.advanced(
                            byMilliseconds: Int64.random(in: -9_000_000...9_000_000, using: &random)),
                        waitMilliseconds: 80_000_000, breaker: [.closed, .open, .halfOpen][number % 3])
                    try store.record(.backoff(peer, state))
                default: break
                }
            }
            let center = Key.random(using: &random)
            let survey = try await store.survey(around: center)
            #expect(survey.statistics == (try await store.statistics()), "seed \(seed)")
            let records = try store.peers(limit: 4_096).peers
            #expect(records.count == 300)

            func days(_ instants: [Instant]) -> [Int64: Int] {
                Dictionary(instants.map { ($0.milliseconds / 86_400_000, 1) }, uniquingKeysWith: +)
            }
            for (histogram, instants) in [
                (survey.firstSeen, records.map(\.firstSeen)), (survey.lastSeen, records.map(\.lastSeen)),
                (survey.lastOK, records.compactMap(\.lastOK)),
            ] {
                #expect(histogram.widened(to: 86_400_000).counts == days(instants), "seed \(seed)")
            }
            var seen: [Int64: Int] = [:]
            for record in records {
                for bit in 0..<32 where record.daysSeen >> UInt32(bit) & 1 == 1 {
                    seen[record.lastSeen.milliseconds / 86_400_000 - Int64(bit), default: 0] += 1
                }
            }
            #expect(survey.seenOnDay == seen)

            let located = records.compactMap { record in
                (record.addresses.first { $0.lastOK != nil } ?? record.addresses.first)?.address.networkGroup(
                    private: false)
            }
            let groups = Dictionary(located.map { ($0, 1) }, uniquingKeysWith: +)
            #expect(survey.groups.total == located.count && survey.groups.distinct == groups.count)
            #expect(survey.groups.isExact && survey.peersWithoutGroup == records.count - located.count)
            #expect(survey.largestGroups.map(\.count) == Array(groups.values.sorted(by: >).prefix(Survey.topCount)))
            for share in survey.largestGroups { #expect(groups[share.group] == share.count) }

            let waits = records.map { $0.backoff?.remaining(at: now) ?? 0 }.filter { $0 > 0 }
            #expect(survey.waits.reduce(0) { $0 + $1.count } == survey.statistics.backedOff)
            for bin in survey.waits { #expect(bin.count == waits.filter { bin.lower <= $0 && $0 < bin.upper }.count) }
            for failures in survey.failures {
                let all = records.flatMap(\.failures).filter { $0.failureClass == failures.failureClass }
                #expect(failures.places == all.count && failures.count == all.reduce(0) { $0 + $1.count })
                #expect(failures.last.widened(to: 86_400_000).counts == days(all.map(\.lastAt)))
            }
            for backoffs in survey.backoffs {
                let all = records.compactMap(\.backoff).filter { $0.lastClass == backoffs.failureClass }
                #expect(backoffs.open + backoffs.trialDue == all.filter { $0.breaker == .open }.count)
                #expect(backoffs.halfOpen == all.filter { $0.breaker == .halfOpen }.count)
                #expect(backoffs.waiting == all.filter { $0.breaker == .closed && $0.remaining(at: now) > 0 }.count)
            }
            let breakers = survey.backoffs.reduce(0) { $0 + $1.open + $1.trialDue + $1.halfOpen }
            #expect(breakers == survey.statistics.openBreakers)
            check(survey.ranges, records, around: center, now)
        }
    }

    private func check(_ ranges: [Survey.Range], _ records: [PeerRecord], around center: Key, _ now: Instant) {
        for range in ranges {
            let inside = records.filter {
                let shared = $0.key.commonPrefixLength(with: center)
                return range.isLast ? shared >= range.index : shared == range.index
            }
            #expect(range.count == inside.count)
            for health in Survey.Health.allCases {
                let doing = inside.filter {
                    Survey.health(lastOK: $0.lastOK, isFailing: $0.standing == .failing, at: now) == health
                }
                #expect(range.health[health.rawValue] == doing.count)
            }
            #expect(range.newest == inside.map(\.lastSeen).max())
            let sources = Dictionary(inside.compactMap(\.source).map { ($0, 1) }, uniquingKeysWith: +)
            #expect(range.sources.distinct == sources.count)
            #expect(range.largestSource?.count == sources.values.max())
        }
        #expect(ranges.reduce(0) { $0 + $1.count } == records.count)
    }

    @Test("splits ranges as a table splits buckets: a last one that is just full is not split")
    func lastRange() {
        var tally = RangeTally(around: .zero, keyBits: 256)
        let keys = [
            Key(1 << 63, 0, 0, 1), Key(1 << 63, 0, 0, 2), Key(3 << 62, 0, 0, 0), Key(1 << 62, 0, 0, 0), Key(7, 0, 0, 0),
        ]
        for key in keys { tally.add(key, .fresh, lastSeen: .seconds(0), nil, source: nil) }
        func shape(_ k: Int) -> [[Int]] {
            tally.ranges(k: k) { _ in nil }.map { [$0.index, $0.count, $0.isLast ? 1 : 0] }
        }
        #expect(shape(5) == [[0, 5, 1]])
        #expect(shape(4) == [[0, 3, 0], [1, 2, 1]])
        #expect(shape(2) == [[0, 3, 0], [1, 2, 1]])
        #expect(shape(1) == [[0, 3, 0], [1, 1, 0], [2, 1, 1]])
    }

    @Test("of a file with keys of another width counts their rows, and ends")
    func foreignKeys() async throws {
        let scratch = Scratch()
        try await scratch.withStore { store in try await store.fill([Key(1, 0, 0, 1), Key(2, 0, 0, 2)]) }
        do {
            let connection = try Connection(path: scratch.path(), access: .readWrite)
            try connection.execute("UPDATE peer SET key = x'01' WHERE key = (SELECT min(key) FROM peer)")
        }
        let store = try await Store.open(scratch.path(), mode: .readOnly)
        let survey = try await store.survey(around: .zero)
        #expect(survey.statistics.peers == 2 && survey.damagedRows == 1)
        #expect(survey.ranges.reduce(0) { $0 + $1.count } == 1)
        try await store.close()
    }
}

@Suite("Frequent items")
struct FrequentItemsTests {
    @Test("are exact while there is room, and lose what is rare alone when there is not", arguments: Seeds.first(3))
    func bounds(seed: UInt64) {
        var random = SeededGenerator(seed: seed)
        for capacity in [2, 16, 100, 2_000] {
            var items = FrequentItems<Int>(capacity: capacity)
            var other = FrequentItems<Int>(capacity: capacity)
            var exact: [Int: Int] = [:]
            for _ in 0..<5_000 {
                // A few are frequent, most are met once or twice.
                let item =
                    Bool.random(using: &random)
                    ? Int.random(in: 0..<8, using: &random) : Int.random(in: 8..<1_500, using: &random)
                exact[item, default: 0] += 1
                if Bool.random(using: &random) { items.add(item) } else { other.add(item) }
            }
            items.add(other)
            #expect(items.total == 5_000 && items.counts.count <= capacity, "seed \(seed)")
            #expect(items.shortfall <= 2 * 2 * items.total / capacity, "seed \(seed)")
            for (item, count) in exact {
                let found = items.counts[item] ?? 0
                #expect(found <= count && found + items.shortfall >= count, "seed \(seed), item \(item)")
            }
            let concentration = items.concentration
            #expect(concentration.distinct <= exact.count)
            #expect(concentration.isExact == (capacity >= exact.count))
            let half = Self.holdingHalf(exact)
            #expect(concentration.isExact ? concentration.holdingHalf == half : concentration.holdingHalf <= half)
        }
    }

    private static func holdingHalf(_ counts: [Int: Int]) -> Int {
        let total = counts.values.reduce(0, +)
        var covered = 0
        return counts.values.sorted(by: >).prefix { count in
            defer { covered += count }
            return 2 * covered < total
        }.count
    }

    @Test("of nothing are concentrated in nothing")
    func nothing() {
        let concentration = FrequentItems<Int>(capacity: 4).concentration
        #expect(concentration.total == 0 && concentration.distinct == 0 && concentration.holdingHalf == 0)
    }
}

@Suite("A time histogram")
struct TimeHistogramTests {
    @Test("keeps every count when its bins get wider, and stays bounded", arguments: Seeds.first(3))
    func widens(seed: UInt64) {
        var random = SeededGenerator(seed: seed)
        let now = Instant.seconds(0)
        for span: Int64 in [60, 86_400, 365 * 86_400, 20 * 365 * 86_400] {
            var histogram = TimeHistogram(now: now)
            let instants = (0..<3_000).map { _ in
                now.advanced(byMilliseconds: -Int64.random(in: 0..<span * 1_000, using: &random))
            }
            for instant in instants { histogram.add(instant) }
            #expect(histogram.counts.count <= TimeHistogram.limit && histogram.total == 3_000, "seed \(seed)")
            let exact = Dictionary(instants.map { ($0.milliseconds / histogram.width, 1) }, uniquingKeysWith: +)
            #expect(histogram.counts == exact, "seed \(seed)")
            for instant in instants { #expect(histogram.range?.contains(instant) == true) }
        }
    }

    @Test("takes no date that cannot be", arguments: [Int64.min, -1, 0, .max, 1_700_000_000_000 + 2 * 86_400_000])
    func implausible(milliseconds: Int64) {
        var histogram = TimeHistogram(now: .seconds(0))
        histogram.add(Instant(milliseconds: milliseconds))
        #expect(histogram.implausible == 1 && histogram.counts.isEmpty && histogram.range == nil)
    }
}
