import Kademlia
import TestSupport
import Testing

/// The attacker owns the newest nine tenths of the store, from few networks: what he gets of the plan.
@Suite("WarmStart under attack")
struct WarmStartEclipseTests {
    struct Attack {
        var candidates: [WarmStart.Candidate] = []
        var attackers: Set<Key> = []
        var groups = 0
        var attackersGroups = 0

        var share: Double { Double(attackersGroups) / Double(groups) }
    }

    enum Style: CaseIterable {
        /// New peers, all of which answered lately.
        case fresh
        /// They were there for days.
        case patient
        /// They hold all of the table that its limits leave them.
        case member
        /// Names without an address that a limit could count.
        case groupless
    }

    /// Honest peers that answered hours or days ago, a table of them, and nine times as many newer rows.
    static func attack(_ style: Style, honest: Int = 300, using generator: inout SeededGenerator) -> Attack {
        var attack = Attack()
        attack.attackersGroups = style == .groupless ? 1 : Int.random(in: 1...5, using: &generator)
        let honestGroups = UInt32.random(in: 40...200, using: &generator)
        func bucket() -> Int { min(15, generator.next().leadingZeroBitCount) }

        var places: [Int: Int] = [:]
        for number in 0..<honest {
            let bucket = bucket()
            places[bucket, default: 0] += 1
            attack.candidates.append(
                WarmStore.candidate(
                    UInt64(number), group: .ipv4(.random(in: 0..<honestGroups, using: &generator)), bucket: bucket,
                    source: .random(in: 0..<10, using: &generator), isMember: places[bucket, default: 0] <= 20,
                    known: .random(in: 0...500, using: &generator),
                    lastOK: .random(in: WarmStore.hour / 2...100 * WarmStore.hour, using: &generator),
                    daysSeen: UInt32(truncatingIfNeeded: generator.next()),
                    weight: .random(in: WarmStore.one / 20...WarmStore.one, using: &generator), using: &generator))
        }
        var held: [NetworkGroup?: [Int: Int]] = [:]
        for number in honest..<10 * honest {
            let group = UInt32.random(in: 0..<UInt32(attack.attackersGroups), using: &generator)
            var candidate = WarmStore.candidate(
                UInt64(number), group: style == .groupless ? nil : .ipv4(0xff0000 + group), bucket: bucket(),
                source: style == .groupless ? nil : 99, known: style == .patient ? 300 : 2,
                lastOK: .random(in: 0...WarmStore.hour / 2, using: &generator),
                daysSeen: style == .patient ? 0xffff : 1, using: &generator)
            // He holds what the table's limits let him hold.
            let inBucket = held[candidate.group, default: [:]][candidate.bucket, default: 0]
            if style == .member, inBucket < 2, held[candidate.group, default: [:]].values.reduce(0, +) < 10 {
                candidate.isMember = true
                held[candidate.group, default: [:]][candidate.bucket] = inBucket + 1
            }
            attack.candidates.append(candidate)
            attack.attackers.insert(candidate.key)
        }
        attack.groups = Set(attack.candidates.map(\.group)).count
        attack.candidates.shuffle(using: &generator)
        return attack
    }

    @Test("He gets no more of the first probes than his networks may", arguments: Seeds.first(5), Style.allCases)
    func share(seed: UInt64, style: Style) {
        var generator = SeededGenerator(seed: seed)
        let attack = Self.attack(style, using: &generator)
        let warm = WarmStart(
            candidates: attack.candidates, lastMark: WarmStore.mark, at: .seconds(0), using: &generator)
        func his(_ probes: some Sequence<WarmStart.Probe>) -> Int {
            probes.reduce(0) { attack.attackers.contains($1.key) ? $0 + 1 : $0 }
        }
        // Two of each group at once; of the seeds one of each, since there are more groups than seeds.
        let groups = attack.attackersGroups
        #expect(his(warm.plan.prefix(30)) <= 3 * groups)
        #expect(his(warm.plan.filter { $0.tier == .seed }) <= groups)
        let table = DiversityLimits().perTable * groups
        #expect(his(warm.plan.prefix(100)) <= (style == .member ? max(table, Int(100 * attack.share)) : 3 * groups))
    }

    @Test("Each bucket that has an honest candidate is asked, and one of the honest", arguments: Seeds.first(3))
    func noBucketLost(seed: UInt64) {
        var generator = SeededGenerator(seed: seed)
        for style in Style.allCases {
            let attack = Self.attack(style, using: &generator)
            let warm = WarmStart(
                candidates: attack.candidates, lastMark: WarmStore.mark, at: .seconds(0), using: &generator)
            let honest = attack.candidates.filter { !attack.attackers.contains($0.key) }
            let asked = Set(warm.plan.filter { !attack.attackers.contains($0.key) }.map(\.bucket))
            #expect(asked == Set(honest.map(\.bucket)))
            let early = Set(warm.plan.filter { $0.tier <= .coverage }.map(\.bucket))
            #expect(early == Set(attack.candidates.map(\.bucket)))
        }
    }

    @Test("Half of the seeds are old acquaintances, and rows of the last hour are none after a month switched off")
    func history() {
        var generator = SeededGenerator(seed: 5)
        let attack = Self.attack(.fresh, using: &generator)
        let warm = WarmStart(
            candidates: attack.candidates, lastMark: WarmStore.mark, at: .seconds(0), using: &generator)
        let old = warm.plan.filter { if case .longHistory = $0.reason { true } else { false } }
        #expect(old.count >= 15)
        #expect(old.allSatisfy { !attack.attackers.contains($0.key) })
    }
}
