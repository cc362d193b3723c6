import Kademlia
import TestSupport
import Testing

@Suite("Hold and settle")
struct OutageGuardTests {
    typealias Held = OutageGuard.Held

    static func key(_ number: UInt64) -> Key { Key(number, 0, 0, 0) }

    /// A guard that has heard an answer each second, from two groups in turn, for `seconds` up to time 0.
    static func lit(for seconds: Int64 = 30, configuration: OutageGuard.Configuration = .init()) -> OutageGuard {
        var outage = OutageGuard(configuration: configuration)
        for second in -seconds...0 {
            _ = outage.answered(key(99), group: .test(UInt32(second & 1)), at: .after(second * 1_000))
        }
        return outage
    }

    static func counted(_ directives: [OutageGuard.Directive]) -> [Key] {
        directives.compactMap { if case .counted(let failure) = $0 { failure.key } else { nil } }
    }

    static func discarded(_ directives: [OutageGuard.Directive]) -> [Key] {
        directives.compactMap { if case .discarded(let failure) = $0 { failure.key } else { nil } }
    }

    @Test("A failure between answers from elsewhere is charged, and held until then")
    func settles() {
        var outage = Self.lit()
        let held = outage.failed(Self.key(1), group: .test(7), class: .refused, at: .after(100))
        let failure = Held(
            key: Self.key(1), group: .test(7), failureClass: .refused, at: .after(100), isWitnessed: true)
        #expect(held == [.held(failure)])
        #expect(outage.held == [failure])
        let settled = outage.answered(Self.key(99), group: .test(1), at: .after(1_000))
        #expect(settled == [.changedWitnesses, .counted(failure)])
        #expect(outage.held.isEmpty && outage.nextTick(at: .after(1_000)) == nil)
    }

    @Test("An answer from the same group settles nothing, before or after; one from no known group does")
    func groups() {
        var outage = Self.lit()
        _ = outage.failed(Self.key(1), group: .test(1), class: .timeout, at: .after(100))
        #expect(Self.counted(outage.answered(Self.key(98), group: .test(1), at: .after(500))).isEmpty)
        #expect(Self.counted(outage.answered(Self.key(98), group: .test(0), at: .after(900))) == [Self.key(1)])
        _ = outage.failed(Self.key(2), group: nil, class: .timeout, at: .after(1_000))
        #expect(Self.counted(outage.answered(Self.key(98), group: nil, at: .after(1_100))) == [Self.key(2)])

        var lonely = OutageGuard()
        for second in Int64(-30)...0 {
            _ = lonely.answered(Self.key(99), group: .test(1), at: .after(second * 1_000))
        }
        _ = lonely.failed(Self.key(1), group: .test(1), class: .timeout, at: .after(10))
        #expect(lonely.held.first?.isWitnessed == false)
    }

    @Test("A silence around the failure, or within the call that failed, leaves it open")
    func silence() {
        // After it.
        var outage = Self.lit()
        _ = outage.failed(Self.key(1), group: .test(7), class: .timeout, at: .after(100))
        #expect(Self.counted(outage.answered(Self.key(99), group: .test(1), at: .after(20_000))).isEmpty)
        // Before it.
        outage = Self.lit()
        _ = outage.failed(Self.key(1), group: .test(7), class: .timeout, at: .after(20_000))
        #expect(outage.held.first?.isWitnessed == false)
        #expect(Self.counted(outage.answered(Self.key(99), group: .test(1), at: .after(20_100))).isEmpty)
        // Just over as it failed, but the call may have begun in it.
        outage = Self.lit(for: 5)
        _ = outage.failed(Self.key(1), group: .test(7), class: .timeout, at: .after(100))
        #expect(Self.counted(outage.answered(Self.key(99), group: .test(1), at: .after(200))).isEmpty)
    }

    @Test("What a silence is follows the usual spacing of the answers")
    func spacing() {
        // Ten a second: a second and a half is a silence.
        for (pause, isSettled) in [(Int64(900), true), (1_500, false)] {
            var outage = OutageGuard()
            for tenth in Int64(-300)...0 {
                _ = outage.answered(Self.key(99), group: .test(UInt32(tenth & 1)), at: .after(tenth * 100))
            }
            _ = outage.failed(Self.key(1), group: .test(7), class: .timeout, at: .after(10))
            let directives = outage.answered(Self.key(99), group: .test(1), at: .after(pause))
            #expect(Self.counted(directives).isEmpty != isSettled, "\(pause) ms")
        }
    }

    @Test("Misbehaviour is charged at once; busy is an answer; what we did ourselves is nothing")
    func classes() {
        var outage = OutageGuard()
        _ = outage.failed(Self.key(1), group: .test(1), class: .timeout, at: .after(0))
        let bad = outage.failed(Self.key(1), group: .test(1), class: .badResponse, at: .after(1))
        #expect(Self.discarded(bad) == [Self.key(1)] && Self.counted(bad) == [Self.key(1)])
        #expect(outage.held.isEmpty && outage.witnesses.isEmpty)
        _ = outage.failed(Self.key(1), group: .test(1), class: .timeout, at: .after(2))
        let mismatch = outage.failed(Self.key(1), group: .test(1), class: .identityMismatch, at: .after(3))
        #expect(Self.counted(mismatch) == [Self.key(1)] && outage.held.count == 1)
        for failureClass in [FailureClass.cancelled, .local] {
            #expect(outage.failed(Self.key(2), group: nil, class: failureClass, at: .after(4)).isEmpty)
        }
        let busy = outage.failed(Self.key(1), group: .test(1), class: .busy, at: .after(5))
        #expect(Self.discarded(busy) == [Self.key(1)] && outage.witnesses.count == 1)
    }

    @Test("A peer that answers is held no longer; a link that is down frees all")
    func discards() {
        var outage = Self.lit()
        for number in UInt64(1)...5 {
            _ = outage.failed(Self.key(number), group: .test(7), class: .timeout, at: .after(10))
        }
        #expect(Self.discarded(outage.answered(Self.key(3), group: .test(7), at: .after(20))) == [Self.key(3)])
        let down = outage.linkDown(at: .after(30))
        #expect(Self.discarded(down) == [1, 2, 4, 5].map(Self.key))
        #expect(outage.held.isEmpty && outage.witnesses.isEmpty && down.contains(.changedWitnesses))
        // The row of answers ended with the link.
        _ = outage.answered(Self.key(99), group: .test(1), at: .after(40))
        _ = outage.failed(Self.key(6), group: .test(7), class: .timeout, at: .after(50))
        #expect(outage.held.first?.isWitnessed == false)
        outage.forget(Self.key(6))
        #expect(outage.held.isEmpty)
    }

    @Test("Without traffic: a canary, the redials, another answer, the charge")
    func round() {
        var outage = OutageGuard()
        _ = outage.failed(Self.key(1), group: .test(1), class: .timeout, at: .after(0))
        _ = outage.failed(Self.key(2), group: .test(2), class: .refused, at: .after(1_000))
        _ = outage.failed(Self.key(3), group: .test(3), class: .refused, at: .after(8_000))
        #expect(outage.nextTick(at: .after(8_000)) == .after(10_000))
        #expect(outage.tick(at: .after(9_999)).isEmpty)
        let began = outage.tick(at: .after(11_000))
        #expect(began.last == .canary(notIn: [.test(1), .test(2)]))
        #expect(outage.canaryAt == .after(11_000) && outage[Self.key(1)]?.redialledAt == .after(11_000))
        #expect(outage.tick(at: .after(11_010)).isEmpty)
        _ = outage.answered(Self.key(50), group: .test(50), at: .after(11_100))
        #expect(outage.canary(answered: true, at: .after(11_100)) == [.redial([Self.key(1), Self.key(2)])])
        // One lives.
        let lives = outage.answered(Self.key(2), group: .test(2), at: .after(11_300))
        #expect(Self.discarded(lives) == [Self.key(2)] && Self.counted(lives).isEmpty)
        // Each second a canary is asked, lest the link has gone.
        for beat in Int64(0)..<4 {
            let asked = 12_300 + beat * 1_100
            #expect(outage.nextTick(at: .after(asked - 1)) == .after(asked))
            #expect(outage.tick(at: .after(asked)) == [.canary(notIn: [.test(1)])])
            _ = outage.answered(Self.key(50), group: .test(50), at: .after(asked + 100))
            #expect(outage.canary(answered: true, at: .after(asked + 100)).isEmpty)
        }
        // The other failed again: another answer is asked for, and settles it.
        let failed = outage.failed(Self.key(1), group: .test(1), class: .timeout, at: .after(16_100))
        #expect(failed == [.canary(notIn: [.test(1)])])
        let settled = outage.answered(Self.key(50), group: .test(50), at: .after(16_200))
        #expect(Self.counted(settled) == [Self.key(1)])
        #expect(outage.canary(answered: true, at: .after(16_200)).isEmpty)
        #expect(outage.held.map(\.key) == [Self.key(3)])
        // One round a minute.
        #expect(outage.nextTick(at: .after(16_200)) == .after(71_000))
    }

    @Test("A canary that does not answer proves nothing: no redial, nothing charged, another in a minute")
    func silentCanary() {
        var outage = OutageGuard()
        _ = outage.failed(Self.key(1), group: .test(1), class: .timeout, at: .after(0))
        for minute in Int64(1)...5 {
            let directives = outage.tick(at: .after(minute * .minute))
            #expect(directives.last == .canary(notIn: [.test(1)]))
            #expect(outage.canary(answered: false, at: .after(minute * .minute + 5_000)).isEmpty)
            #expect(outage.tick(at: .after(minute * .minute + 59_999)).isEmpty)
        }
        #expect(outage.held.count == 1)
        // The link breaks after the canary: the redial proves nothing either.
        _ = outage.tick(at: .after(6 * .minute))
        _ = outage.answered(Self.key(50), group: .test(50), at: .after(6 * .minute + 100))
        _ = outage.canary(answered: true, at: .after(6 * .minute + 100))
        _ = outage.failed(Self.key(1), group: .test(1), class: .timeout, at: .after(6 * .minute + 5_000))
        let late = outage.answered(Self.key(50), group: .test(50), at: .after(6 * .minute + 20_000))
        #expect(Self.counted(late).isEmpty && outage.held.count == 1)
    }

    @Test("A node that talks in bursts, with pauses between them, learns by redial")
    func bursts() {
        var outage = OutageGuard()
        var calls: [(at: Instant, key: Key, isCanary: Bool)] = []
        var counted: [Key] = []
        _ = outage.failed(Self.key(1), group: .test(7), class: .timeout, at: .after(0))
        for tenth in Int64(0)..<1_800 {
            let now = Instant.after(tenth * 100)
            var directives = outage.tick(at: now)
            // Ten answers in a second, then eight seconds of nothing.
            if tenth % 90 < 10 {
                directives += outage.answered(Self.key(99), group: .test(UInt32(tenth & 1)), at: now)
            }
            for call in calls where call.at == now {
                if call.isCanary {
                    directives += outage.answered(call.key, group: .test(50), at: now)
                    directives += outage.canary(answered: true, at: now)
                } else {
                    directives += outage.failed(call.key, group: .test(7), class: .timeout, at: now)
                }
            }
            for directive in directives {
                if case .canary = directive { calls.append((now + 100, Self.key(50), true)) }
                if case .redial(let keys) = directive { calls += keys.map { (now + 5_000, $0, false) } }
            }
            counted += Self.counted(directives)
        }
        #expect(counted == [Self.key(1)])
    }

    @Test("A link that goes down during a round, and comes back, leaves everybody uncharged")
    func brokenRound() {
        var outage = OutageGuard()
        _ = outage.failed(Self.key(1), group: .test(1), class: .timeout, at: .after(0))
        _ = outage.tick(at: .after(11_000))
        _ = outage.answered(Self.key(50), group: .test(50), at: .after(11_100))
        #expect(outage.canary(answered: true, at: .after(11_100)) == [.redial([Self.key(1)])])
        #expect(outage.tick(at: .after(12_100)) == [.canary(notIn: [.test(1)])])
        _ = outage.failed(Self.key(1), group: .test(1), class: .timeout, at: .after(16_100))
        #expect(Self.counted(outage.answered(Self.key(50), group: .test(50), at: .after(16_200))).isEmpty)
        #expect(outage[Self.key(1)] != nil)
    }

    @Test("A round that most answer was about our own outage: the next does not wait a minute")
    func haste() {
        for dead in [1, 2] {
            var outage = OutageGuard()
            for number in 1...3 {
                _ = outage.failed(Self.key(UInt64(number)), group: .test(7), class: .timeout, at: .after(0))
            }
            _ = outage.tick(at: .after(60_000))
            _ = outage.answered(Self.key(99), group: .test(1), at: .after(60_100))
            #expect(
                outage.canary(answered: true, at: .after(60_100))
                    == [.redial([Self.key(1), Self.key(2), Self.key(3)])])
            for number in 1...3 {
                if number <= dead {
                    _ = outage.redialled(Self.key(UInt64(number)), failed: true, at: .after(60_200))
                } else {
                    _ = outage.answered(Self.key(UInt64(number)), group: .test(7), at: .after(60_200))
                }
            }
            let charged = outage.answered(Self.key(99), group: .test(1), at: .after(60_300))
            #expect(Self.counted(charged).count == dead && outage.held.isEmpty)
            _ = outage.failed(Self.key(4), group: .test(8), class: .timeout, at: .after(1_000))
            #expect(outage.nextTick(at: .after(70_000)) == .after(dead == 1 ? 70_000 : 120_000))
        }
    }

    @Test("A round that nobody reports on is void after half a minute, and wedges nothing")
    func lostRound() {
        var outage = OutageGuard()
        _ = outage.failed(Self.key(1), group: .test(1), class: .timeout, at: .after(0))
        _ = outage.tick(at: .after(60_000))
        #expect(outage.nextTick(at: .after(60_000)) == .after(90_000))
        _ = outage.canary(answered: true, at: .after(61_000))
        #expect(outage.tick(at: .after(90_001)).isEmpty)
        #expect(outage.nextTick(at: .after(90_001)) == .after(120_000))
        #expect(outage.tick(at: .after(120_000)).last == .canary(notIn: [.test(1)]))
    }

    @Test("Someone to ask is always left out of a round")
    func canaryGroup() {
        var outage = OutageGuard()
        _ = outage.answered(Self.key(98), group: .test(1), at: .after(-5_000))
        _ = outage.answered(Self.key(99), group: .test(2), at: .after(0))
        for number in UInt64(1)...9 {
            _ = outage.failed(Self.key(number), group: .test(UInt32(number % 3)), class: .timeout, at: .after(20_000))
        }
        guard case .canary(let groups) = outage.tick(at: .after(90_000)).last else {
            Issue.record("no canary")
            return
        }
        // The first in turn is of group 1, so group 2 is asked.
        #expect(groups == [.test(0), .test(1)])
    }

    @Test("At most 32 redials in a round, those that waited longest first; at most 4,096 are held")
    func bounds() {
        var outage = OutageGuard()
        var discarded: [Key] = []
        for number in UInt64(1)...4_200 {
            let at = Instant.after(Int64(number) * 5)
            discarded += Self.discarded(
                outage.failed(Self.key(number * 7_919 % 65_537), group: nil, class: .timeout, at: at))
        }
        #expect(outage.held.count == 4_096)
        #expect(discarded == (1...104).map { Self.key(UInt64($0) * 7_919 % 65_537) })
        for (earlier, later) in zip(outage.held, outage.held.dropFirst()) { #expect(earlier.key < later.key) }
        _ = outage.tick(at: .after(.hour))
        let redial = outage.canary(answered: true, at: .after(.hour)).last
        let longest = (UInt64(105)...136).map { Self.key($0 * 7_919 % 65_537) }.sorted()
        #expect(redial == .redial(longest))
    }

    @Test(
        "A restart at any step gives the same decisions, but for calls that were under way", arguments: Seeds.first(30))
    func restarts(seed: UInt64) {
        var generator = SeededGenerator(seed: seed)
        var outage = OutageGuard()
        var now = Instant.after(0)
        var isAsking = false
        var redials: [Key] = []
        for step in 0..<400 {
            now = now + .random(in: 0...(seed.isMultiple(of: 2) ? 1_500 : 20_000), using: &generator)
            if !isAsking, redials.isEmpty {
                let copy = OutageGuard(held: outage.held, witnesses: outage.witnesses, canaryAt: outage.canaryAt)
                #expect(copy.nextTick(at: now + 40_000) == outage.nextTick(at: now + 40_000), "step \(step)")
                if Bool.random(using: &generator) { outage = copy }
            }
            let number = UInt64.random(in: 1...40, using: &generator)
            let group = number < 4 ? nil : NetworkGroup.test(UInt32(number % 9))
            let isRedial = !redials.isEmpty && Bool.random(using: &generator)
            let action = Int.random(in: 0..<10, using: &generator)
            func act(_ outage: inout OutageGuard) -> [OutageGuard.Directive] {
                if isAsking { return outage.canary(answered: action < 7, at: now) }
                if isRedial, let key = redials.last { return outage.redialled(key, failed: action < 6, at: now) }
                switch action {
                case 0..<4: return outage.answered(Self.key(number), group: group, at: now)
                case 4..<8: return outage.failed(Self.key(number), group: group, class: .timeout, at: now)
                default: return outage.tick(at: now)
                }
            }
            var copy = OutageGuard(held: outage.held, witnesses: outage.witnesses, canaryAt: outage.canaryAt)
            let isIdle = outage.nextTick(at: now) == copy.nextTick(at: now) && !isAsking && redials.isEmpty
            let directives = act(&outage)
            if isIdle { #expect(act(&copy) == directives, "step \(step)") }
            if isAsking { isAsking = false } else if isRedial { redials.removeLast() }
            for directive in directives {
                switch directive {
                case .canary: isAsking = true
                case .redial(let keys): redials = keys
                case .held(let failure): #expect(outage[failure.key] == failure)
                case .counted(let failure), .discarded(let failure): #expect(outage[failure.key] == nil)
                case .changedWitnesses: break
                }
            }
            #expect(outage.witnesses.count <= 2)
            for (earlier, later) in zip(outage.held, outage.held.dropFirst()) { #expect(earlier.key < later.key) }
        }
    }

    @Test("Nothing is charged without answers from elsewhere within a minute on both sides", arguments: Seeds.first(15))
    func againstHistory(seed: UInt64) {
        var generator = SeededGenerator(seed: seed)
        var outage = OutageGuard()
        var now = Instant.after(0)
        var answers: [(at: Instant, group: NetworkGroup)] = []
        let pace = [300, 2_000, 30_000][Int(seed % 3)] as Int64
        for step in 0..<600 {
            now = now + .random(in: 0...pace, using: &generator)
            let number = UInt64.random(in: 1...200, using: &generator)
            let group = NetworkGroup.test(UInt32(number % 11))
            // Even numbers live; now and then the link does not.
            if number.isMultiple(of: 2), now.milliseconds / 40_000 % 3 != 0 {
                answers.append((now, group))
                let directives = outage.answered(Self.key(number), group: group, at: now)
                for case .counted(let failure) in directives {
                    let window = answers.filter { $0.group != failure.group }
                    #expect(window.contains { $0.at <= failure.at && failure.at.millisecondsSince($0.at) <= 60_000 })
                    #expect(window.contains { $0.at >= failure.at && $0.at.millisecondsSince(failure.at) <= 60_000 })
                    // And no silence of ten seconds from before the call until now.
                    let begun = failure.at - 10_000
                    let times = answers.map(\.at).drop { $0 <= begun }
                    #expect(answers.contains { $0.at <= begun }, "step \(step)")
                    for (earlier, later) in zip(times, times.dropFirst()) {
                        #expect(later.millisecondsSince(earlier) <= 10_000, "step \(step)")
                    }
                }
            } else {
                _ = outage.failed(Self.key(number), group: group, class: .timeout, at: now)
            }
        }
    }

    @Test(
        "Damaged rows and clocks that jump never trap, and never stop the rounds for good", arguments: Seeds.first(30))
    func damage(seed: UInt64) {
        var generator = SeededGenerator(seed: seed)
        func stamp() -> Instant { Instant(milliseconds: Damage.number(using: &generator)) }
        let held = (0..<30).map { _ in
            Held(
                key: Self.key(.random(in: 1...20, using: &generator)), group: nil, failureClass: .timeout, at: stamp(),
                isWitnessed: true, count: Int(Damage.number(using: &generator)), redialledAt: stamp())
        }
        let witnesses = (0..<4).map { _ in
            OutageGuard.Witness(group: nil, at: stamp(), since: stamp(), spacing: Damage.number(using: &generator))
        }
        var outage = OutageGuard(held: held, witnesses: witnesses, canaryAt: stamp())
        #expect(Set(outage.held.map(\.key)).count == outage.held.count && outage.witnesses.count <= 2)
        for _ in 0..<100 {
            let key = Self.key(.random(in: 1...20, using: &generator))
            switch Int.random(in: 0..<6, using: &generator) {
            case 0: _ = outage.answered(key, group: nil, at: stamp())
            case 1: _ = outage.failed(key, group: nil, class: .reset, at: stamp())
            case 2: _ = outage.tick(at: stamp())
            case 3: _ = outage.canary(answered: true, at: stamp())
            case 4: _ = outage.redialled(key, failed: true, at: stamp())
            default: _ = outage.nextTick(at: stamp())
            }
        }
        // Back in the present, a round comes in time.
        _ = outage.failed(Self.key(77), group: nil, class: .timeout, at: .after(0))
        var hasAsked = false
        for second in Int64(0)..<200 {
            for case .canary in outage.tick(at: .after(second * 1_000)) { hasAsked = true }
        }
        #expect(hasAsked)
    }
}
