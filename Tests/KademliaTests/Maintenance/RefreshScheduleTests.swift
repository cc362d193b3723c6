import Kademlia
import TestSupport
import Testing

@Suite("RefreshSchedule")
struct RefreshScheduleTests {
    typealias Subject = RefreshSchedule.Subject
    static let hour: Int64 = 3_600_000

    /// Runs to `end`; every refresh takes `length` milliseconds.
    static func run(
        _ schedule: RefreshSchedule, buckets: Int, until end: Uptime, length: Int64,
        using generator: inout SeededGenerator
    ) -> [(subject: Subject, at: Uptime)] {
        var schedule = schedule
        var log: [(Subject, Uptime)] = []
        while schedule.nextTick < end {
            let now = schedule.nextTick
            guard let subject = schedule.poll(bucketCount: buckets, at: now, using: &generator) else { continue }
            log.append((subject, now))
            schedule.refreshed(subject, at: now.advanced(byMilliseconds: length), using: &generator)
        }
        return log
    }

    @Test("The own key and each bucket are looked up once in their interval, for days", arguments: Seeds.first(10))
    func interval(seed: UInt64) {
        var generator = SeededGenerator(seed: seed)
        let buckets = Int.random(in: 1...20, using: &generator)
        let ages: [Int64?] = (0..<buckets).map { _ in
            Bool.random(using: &generator) ? nil : .random(in: -5...2 * Self.hour, using: &generator)
        }
        let schedule = RefreshSchedule(ages: ages, at: .seconds(50), using: &generator)
        let end = Uptime(milliseconds: 48 * Self.hour)
        let log = Self.run(schedule, buckets: buckets, until: end, length: 2000, using: &generator)
        // One that must wait for all others waits for their spacings.
        let slack = Int64(buckets + 1) * 10_000 + 2000
        for slot in 0...buckets {
            let times = log.filter { $0.subject == (slot == 0 ? .ownKey : .bucket(slot - 1)) }.map(\.at)
            for (before, after) in zip(times, times.dropFirst()) {
                let gap = after.millisecondsSince(before)
                #expect(gap >= Self.hour * 8 / 10 && gap <= Self.hour + slack)
            }
            #expect(times.count >= 47)
        }
        for (before, after) in zip(log, log.dropFirst()) { #expect(after.at.millisecondsSince(before.at) >= 10_000) }
    }

    @Test("After a night switched off the own key comes first, then every bucket, ten seconds apart")
    func overdue() {
        var generator = SeededGenerator(seed: 1)
        let schedule = RefreshSchedule(ages: [nil, -1, 9 * Self.hour, .max, .min], at: .seconds(0), using: &generator)
        let log = Self.run(schedule, buckets: 5, until: .seconds(60), length: 500, using: &generator)
        #expect(log.map(\.subject) == [.ownKey, .bucket(0), .bucket(1), .bucket(2), .bucket(3), .bucket(4)])
        #expect(log.map(\.at) == (0..<6).map { Uptime.seconds($0 * 10) })
    }

    @Test("A restart does not look up again what was looked up lately")
    func restart() {
        var generator = SeededGenerator(seed: 2)
        let ages: [Int64?] = [60_000, 30 * 60_000, 0]
        let schedule = RefreshSchedule(ages: ages, at: .seconds(0), using: &generator)
        let log = Self.run(
            schedule, buckets: 3, until: Uptime(milliseconds: 18 * 60_000 - 1), length: 500, using: &generator)
        #expect(log.map(\.subject) == [.ownKey])
    }

    @Test("A lookup that somebody else made counts; a bucket that is always looked up is never refreshed")
    func others() {
        var generator = SeededGenerator(seed: 3)
        var schedule = RefreshSchedule(ages: [0, 0], at: .seconds(0), using: &generator)
        for minute: Int64 in 0..<600 {
            let now = Uptime.seconds(minute * 60)
            if minute % 30 == 0 { schedule.refreshed(.bucket(1), at: now, using: &generator) }
            if let subject = schedule.poll(bucketCount: 2, at: now, using: &generator) {
                #expect(subject != .bucket(1))
                schedule.refreshed(subject, at: now, using: &generator)
            }
        }
    }

    @Test("One is under way at a time; one that failed or was lost is tried again, and holds up no other")
    func failures() {
        var generator = SeededGenerator(seed: 4)
        var schedule = RefreshSchedule(ages: [nil], at: .seconds(0), using: &generator)
        func poll(_ seconds: Int64) -> Subject? {
            schedule.poll(bucketCount: 1, at: .seconds(seconds), using: &generator)
        }
        #expect(poll(0) == .ownKey)
        #expect(schedule.refreshing == .ownKey)
        #expect(poll(60) == nil)
        schedule.failed(.bucket(0), at: .seconds(60))
        #expect(schedule.refreshing == .ownKey)
        schedule.failed(.ownKey, at: .seconds(60))
        #expect(poll(60) == .bucket(0))
        #expect(schedule.nextTick == .seconds(180))
        // The bucket's refresh is lost. Of the two the own key is due first.
        #expect(poll(180) == nil)
        #expect(poll(360) == .ownKey)
        schedule.refreshed(.ownKey, at: .seconds(361), using: &generator)
        #expect(poll(479) == nil)
        #expect(poll(480) == .bucket(0))
    }

    @Test("Buckets that splits made are looked up within an interval")
    func splits() {
        var generator = SeededGenerator(seed: 5)
        var schedule = RefreshSchedule(ages: [0], at: .seconds(0), using: &generator)
        var seen: Set<Int> = []
        for second: Int64 in 0..<4000 {
            let now = Uptime.seconds(second)
            if let subject = schedule.poll(bucketCount: 12, at: now, using: &generator) {
                if case .bucket(let index) = subject { seen.insert(index) }
                schedule.refreshed(subject, at: now, using: &generator)
            }
        }
        #expect(seen == Set(0..<12))
    }

    @Test("Two nodes that started together do not stay in step")
    func jitter() {
        let plans = [UInt64(1), 2].map { seed -> [Uptime] in
            var generator = SeededGenerator(seed: seed)
            let schedule = RefreshSchedule(ages: [nil, nil], at: .seconds(0), using: &generator)
            let end = Uptime(milliseconds: 10 * Self.hour)
            return Self.run(schedule, buckets: 2, until: end, length: 500, using: &generator).map(\.at)
        }
        #expect(Set(plans[0].dropFirst(3)).isDisjoint(with: plans[1].dropFirst(3)))
    }

    @Test("No value traps", arguments: Seeds.first(20))
    func extremes(seed: UInt64) {
        var generator = SeededGenerator(seed: seed)
        func number() -> Int64 {
            [.min, -1, 0, 1, .max, Int64(truncatingIfNeeded: generator.next())].randomElement(using: &generator) ?? 0
        }
        let configuration = RefreshSchedule.Configuration(
            intervalMilliseconds: number(), jitterPercent: Int(number()), spacingMilliseconds: number(),
            retryMilliseconds: number(), lostMilliseconds: number())
        var schedule = RefreshSchedule(
            ages: (0..<300).map { _ in number() }, configuration: configuration, at: Uptime(milliseconds: number()),
            using: &generator)
        for _ in 0..<200 {
            let now = Uptime(milliseconds: number())
            let subject = schedule.poll(bucketCount: Int(number()), at: now, using: &generator)
            if let subject, Bool.random(using: &generator) { schedule.failed(subject, at: now) }
            schedule.refreshed(.bucket(Int(number())), at: now, using: &generator)
            schedule.failed(.bucket(Int(number())), at: now)
            _ = schedule.nextTick
        }
    }
}
