import Kademlia
import TestSupport
import Testing

@Suite("The plan of a warm start")
struct WarmStartPlanTests {
    typealias Candidate = WarmStart.Candidate

    static func plan(_ candidates: [Candidate], seed: UInt64 = 1, mark: Instant? = WarmStore.mark) -> [WarmStart.Probe]
    {
        var generator = SeededGenerator(seed: seed)
        return WarmStart(candidates: candidates, lastMark: mark, at: .seconds(0), using: &generator).plan
    }

    @Test("Every tier keeps its quotas on any store", arguments: Seeds.first(60))
    func quotas(seed: UInt64) {
        var generator = SeededGenerator(seed: seed)
        let candidates = WarmStore.random(.random(in: 0...400, using: &generator), using: &generator)
        let plan = Self.plan(candidates, seed: seed)
        let byKey = Dictionary(uniqueKeysWithValues: candidates.map { ($0.key, $0) })
        let free = candidates.filter { $0.availableIn == 0 }
        func probes(_ tier: WarmStart.Tier) -> [Candidate] {
            plan.filter { $0.tier == tier }.compactMap { byKey[$0.key] }
        }
        func most<Part: Hashable>(_ probes: [Candidate], of part: (Candidate) -> Part) -> Int {
            Dictionary(grouping: probes, by: part).values.map(\.count).max() ?? 0
        }
        #expect(Set(plan.map(\.key)).count == plan.count)

        let anchors = probes(.anchor)
        #expect(anchors.count <= 20)
        for anchor in anchors {
            #expect(
                !anchor.isFailing
                    && anchor.lastOK.map { WarmStore.mark.millisecondsSince($0) <= WarmStore.hour } == true)
        }
        let atOnce = plan.filter { $0.tier <= .coverage && $0.reason != .beyondQuota }.compactMap { byKey[$0.key] }
        let known = Set(free.map(\.group)).count
        if known >= 8 { #expect(most(atOnce) { $0.group } <= 2) }

        // Coverage: every bucket that still has somebody, and no more than two of each.
        let anchored = Set(anchors.map(\.key))
        let open = free.filter { !anchored.contains($0.key) }
        #expect(Set(probes(.coverage).map(\.bucket)) == Set(open.map(\.bucket)))
        #expect(most(probes(.coverage)) { $0.bucket } <= 2)

        let seeds = probes(.seed)
        let early = Set((anchors + probes(.coverage)).map(\.key))
        let left = free.filter { !early.contains($0.key) }
        let groups = min(8, Set(left.map(\.group)).count)
        #expect(seeds.count <= 30)
        if seeds.count == 30 { #expect(Set(seeds.map(\.group)).count >= groups) }
        if groups > 0 { #expect(most(seeds) { $0.group } <= (30 + groups - 1) / groups) }
        let sources = min(3, Set(left.map(\.source)).count)
        if sources > 0 {
            #expect(most(seeds.filter { $0.source != nil }) { $0.source } <= (30 + sources - 1) / sources)
        }

        // The whole restored table, but for what is in backoff for long.
        let asked = Set(plan.map(\.key))
        for member in candidates where member.isMember && member.availableIn <= 5000 {
            #expect(asked.contains(member.key))
        }
        for probe in plan {
            guard let candidate = byKey[probe.key] else { continue }
            #expect(probe.due >= Uptime(milliseconds: candidate.availableIn))
            if candidate.availableIn > 0 { #expect(candidate.isMember) }
        }
    }

    @Test("Without a mark of the clock nobody is an anchor; a stamp far after the mark makes none either")
    func stamps() {
        var generator = SeededGenerator(seed: 1)
        let lately = WarmStore.candidate(1, lastOK: 5, using: &generator)
        let future = WarmStore.candidate(2, bucket: 1, lastOK: -11 * 60_000, using: &generator)
        let ahead = WarmStore.candidate(3, bucket: 2, lastOK: -9 * 60_000, using: &generator)
        let tiers = Dictionary(
            uniqueKeysWithValues: Self.plan([lately, future, ahead]).map { ($0.key.word0, $0.tier) })
        #expect(tiers == [1: .anchor, 2: .coverage, 3: .anchor])
        #expect(Self.plan([lately, future, ahead], mark: nil).allSatisfy { $0.tier == .coverage })
    }

    @Test("A bucket prefers who answered to who fails, and both to a name")
    func standing() {
        var generator = SeededGenerator(seed: 1)
        let name = WarmStore.candidate(1, using: &generator)
        var failing = WarmStore.candidate(2, lastOK: 2 * WarmStore.hour, using: &generator)
        failing.isFailing = true
        let good = WarmStore.candidate(3, lastOK: 90 * WarmStore.hour, weight: 1, using: &generator)
        let coverage = Self.plan([name, failing, good]).filter { $0.tier == .coverage }
        #expect(coverage.map(\.key.word0) == [3, 2])
        #expect(coverage.map(\.reason) == [.covers(bucket: 0, round: 0), .covers(bucket: 0, round: 1)])
    }

    @Test("The second choice of a bucket is an old acquaintance, whatever its weight")
    func coverageHistory() {
        var generator = SeededGenerator(seed: 2)
        var candidates = (0..<50).map {
            WarmStore.candidate($0, group: .ipv4(UInt32($0)), lastOK: 2 * WarmStore.hour, using: &generator)
        }
        candidates.append(
            WarmStore.candidate(
                99, group: .ipv4(99), known: 300, lastOK: 90 * WarmStore.hour, daysSeen: 0b101, weight: 1,
                using: &generator))
        let coverage = Self.plan(candidates).filter { $0.tier == .coverage }
        #expect(coverage.count == 2)
        #expect(coverage.first?.key.word0 != 99 && coverage.last?.key.word0 == 99)
    }

    @Test("Seeds are drawn by weight")
    func weights() {
        var generator = SeededGenerator(seed: 3)
        let candidates = (0..<400).map { number in
            WarmStore.candidate(
                number, group: .ipv4(UInt32(number)), lastOK: 5 * WarmStore.hour,
                weight: number % 2 == 0 ? WarmStore.one : WarmStore.one / 9, using: &generator)
        }
        var heavy = 0
        var all = 0
        for seed: UInt64 in 1...20 {
            let seeds = Self.plan(candidates, seed: seed).filter { $0.tier == .seed }
            all += seeds.count
            heavy += seeds.filter { $0.key.word0 % 2 == 0 }.count
        }
        #expect(all == 600)
        // Nine in ten, less what is drawn without replacement.
        #expect((500...560).contains(heavy), "\(heavy)")
    }

    @Test(
        "The members of a large table are spread over a tenth of a second each, those of a small one over five seconds")
    func spread() {
        var generator = SeededGenerator(seed: 4)
        let candidates = (0..<4000).map { number in
            WarmStore.candidate(
                number, group: .ipv4(UInt32(number)), bucket: Int(number % 16), isMember: true,
                lastOK: 5 * WarmStore.hour, using: &generator)
        }
        let plan = Self.plan(candidates)
        #expect(plan.count == 4000)
        var perSecond = Array(repeating: 0, count: 400)
        for probe in plan where probe.tier == .member {
            let second = Int(probe.due.milliseconds / 1000)
            #expect(perSecond.indices.contains(second))
            if perSecond.indices.contains(second) { perSecond[second] += 1 }
        }
        #expect((perSecond.max() ?? 0) <= 25)
        #expect(perSecond.filter { $0 > 0 }.count > 390)
        let last = Self.plan(Array(candidates.prefix(20))).map(\.due).max()
        #expect(last.map { $0 <= .seconds(5) } == true)
    }

    @Test("Members of a group beyond the table's limit are asked after all others, and all are asked")
    func membersBeyondQuota() {
        var generator = SeededGenerator(seed: 6)
        let candidates = (0..<200).map { number in
            WarmStore.candidate(
                number, group: .ipv4(number < 100 ? 1 : UInt32(number)), isMember: true, lastOK: 5 * WarmStore.hour,
                using: &generator)
        }
        let plan = Self.plan(candidates)
        #expect(plan.count == 200)
        let beyond = plan.filter { $0.reason == .beyondQuota }
        #expect(beyond.count >= 80)
        #expect(plan.suffix(beyond.count) == beyond[...])
        #expect(beyond.allSatisfy { $0.group == .ipv4(1) && $0.due >= .seconds(20) })
    }

    @Test("One seed gives one plan; the secret order, not the store, says who is asked first")
    func secretOrder() {
        var generator = SeededGenerator(seed: 7)
        let candidates = (0..<300).map { number in
            WarmStore.candidate(
                number, group: .ipv4(UInt32(number)), bucket: Int(number % 8), isMember: true,
                lastOK: Int64(number) * 60_000, using: &generator)
        }
        let salted = candidates.map { candidate in
            var other = candidate
            other.order = generator.next()
            return other
        }
        let mine = Self.plan(candidates).map(\.key)
        #expect(mine == Self.plan(candidates).map(\.key))
        let theirs = Self.plan(salted).map(\.key)
        #expect(zip(mine, theirs).filter { $0 == $1 }.count < 15)
    }

    @Test("No value of a damaged file traps", arguments: Seeds.first(40))
    func damage(seed: UInt64) {
        var generator = SeededGenerator(seed: seed)
        func number() -> Int64 {
            [.min, -1, 0, 1, .max, Int64(truncatingIfNeeded: generator.next())]
                .randomElement(using: &generator) ?? 0
        }
        let candidates = (0..<120).map { _ in
            Candidate(
                key: Key(.random(in: 0..<100, using: &generator), 0, 0, 0),
                group: Bool.random(using: &generator) ? nil : .ipv4(UInt32(truncatingIfNeeded: number())),
                bucket: Int(number()), source: Bool.random(using: &generator) ? nil : UInt64(bitPattern: number()),
                isMember: .random(using: &generator), firstSeen: Instant(milliseconds: number()),
                lastOK: Bool.random(using: &generator) ? nil : Instant(milliseconds: number()),
                daysSeen: UInt32(truncatingIfNeeded: number()), weight: UInt64(bitPattern: number()),
                order: UInt64(bitPattern: number()), availableIn: number(), isFailing: .random(using: &generator))
        }
        let size = Int(number())
        let configuration =
            seed % 2 == 0
            ? WarmStart.Configuration()
            : WarmStart.Configuration(
                pacer: .init(perSecond: size, burst: size, perLane: size), anchorMilliseconds: number(),
                futureMilliseconds: number(), anchors: size, immediatePerGroup: size, perBucket: size, seeds: size,
                minimumGroups: size, minimumSources: size, historyMilliseconds: number(), historyDays: size,
                minimumSpreadMilliseconds: number(), spreadPerProbeMilliseconds: number(), minimumAnswers: size,
                bootstrapMilliseconds: number(), lostMilliseconds: number())
        let now = Uptime(milliseconds: number())
        var warm = WarmStart(
            candidates: candidates, lastMark: Instant(milliseconds: number()), configuration: configuration, at: now,
            using: &generator)
        #expect(Set(warm.plan.map(\.key)).count == warm.plan.count)
        for _ in 0..<200 {
            let now = Uptime(milliseconds: number())
            _ = warm.poll(at: now)
            _ = warm.nextTick
            warm.answered(Key(.random(in: 0..<110, using: &generator), 0, 0, 0), at: now)
            warm.failed(Key(.random(in: 0..<110, using: &generator), 0, 0, 0), at: now)
            warm.skipped(Key(.random(in: 0..<110, using: &generator), 0, 0, 0), at: now)
        }
        let done = warm.statistics
        #expect(done.answered + done.failed + done.skipped <= done.planned)
    }

    @Test("Fifty thousand candidates make a plan of the table and some eighty others")
    func large() {
        var generator = SeededGenerator(seed: 8)
        let candidates = (0..<50_000).map { number in
            WarmStore.candidate(
                number, group: .ipv4(.random(in: 0..<20_000, using: &generator)),
                bucket: min(20, generator.next().leadingZeroBitCount), source: .random(in: 0..<500, using: &generator),
                isMember: number < 300, known: 100, lastOK: .random(in: 0...100 * WarmStore.hour, using: &generator),
                daysSeen: 0xff, using: &generator)
        }
        let plan = Self.plan(candidates)
        #expect((300...400).contains(plan.count))
        #expect(plan.filter { $0.tier == .seed }.count == 30)
    }
}
