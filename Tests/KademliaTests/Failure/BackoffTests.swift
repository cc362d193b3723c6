import Kademlia
import TestSupport
import Testing

#if canImport(Glibc)
import Glibc
#elseif canImport(Darwin)
import Darwin
#endif

@Suite("Backoff across calls and restarts")
struct BackoffTests {
    /// `s * 2^(-age / H)` in floating point, with the age capped.
    static func decayed(_ streakMilli: Int64, age: Int64, halfLife: Int64) -> Double {
        Double(streakMilli) * pow(2, -Double(min(max(0, age), 7 * .day)) / Double(halfLife))
    }

    @Test("A streak halves in a day, misbehaviour in a week, and after a week nothing more is forgotten")
    func decay() {
        var generator = SeededGenerator(seed: 1)
        for _ in 0..<2_000 {
            let streak = Int64.random(in: 0...30_000, using: &generator)
            let age = Int64.random(in: -(.day)...20 * .day, using: &generator)
            let failureClass = FailureClass.allCases.randomElement(using: &generator) ?? .timeout
            let state = BackoffState(streakMilli: streak, streakAt: .after(0), lastClass: failureClass)
            let halfLife = FailurePolicy.standard[failureClass].halfLifeMilliseconds
            let found = state.effectiveStreakMilli(at: .after(age))
            let expected = Self.decayed(streak, age: age, halfLife: halfLife)
            #expect(abs(Double(found) - expected) <= 1, "\(streak) after \(age) ms of \(failureClass)")
        }
        let state = BackoffState(streakMilli: 8_000, streakAt: .after(0), lastClass: .timeout)
        #expect(state.effectiveStreakMilli(at: .after(.day)) == 4_000)
        #expect(state.effectiveStreakMilli(at: .after(400 * .day)) == 8_000 >> 7)
        #expect(state.effectiveStreakMilli(at: .after(-400 * .day)) == 8_000)
    }

    @Test("The next failure adds to what decayed since the last wait was over at the latest")
    func carried() {
        // Eight timeouts in a row: 60 s * 2^7.
        let wait = 60 * Int64.second * 128
        var state = BackoffState(streakMilli: 8_000, streakAt: .after(0), lastClass: .timeout)
        #expect(state.carriedStreakMilli(at: .after(wait)) == 8_000)
        #expect(state.carriedStreakMilli(at: .after(wait + .day)) == 4_000)
        #expect(state.carriedStreakMilli(at: .after(wait + 90 * .day)) == 8_000 >> 7)
        var generator = SeededGenerator(seed: 1)
        state.count(.timeout, at: .after(wait + 2 * .day), using: &generator)
        #expect(state.streakMilli == 3_000)
    }

    @Test("Each counted failure waits between half of its longest wait and all of it", arguments: FailureClass.allCases)
    func waits(failureClass: FailureClass) {
        let policy = FailurePolicy.withoutBreaker
        for seed in UInt64(1)...50 {
            var generator = SeededGenerator(seed: seed)
            var state = BackoffState.clean(at: .after(0))
            var now = Instant.after(0)
            for failure in 1...30 {
                let before = state.carriedStreakMilli(at: now)
                state.count(failureClass, at: now, policy: policy, using: &generator)
                let weight = Int64(policy[failureClass].weight) * 1_000
                #expect(state.effectiveStreakMilli(at: now) == before + weight)
                let longest = policy.longestWait(after: failureClass, streakMilli: before + weight)
                let wait = state.remaining(at: now)
                #expect(wait <= longest && wait >= longest / 2, "failure \(failure), seed \(seed)")
                #expect(wait == state.waitMilliseconds || wait == 0)
                now = now + max(wait, 1)
                #expect(state.dialVerdict(at: now) == .allowed)
            }
        }
    }

    @Test("What we did ourselves changes nothing; a busy peer waits without a streak")
    func weightless() {
        var generator = SeededGenerator(seed: 1)
        let untouched = generator
        let clean = BackoffState.clean(at: .after(0))
        for failureClass in [FailureClass.cancelled, .local] {
            var state = clean
            state.count(failureClass, at: .after(5), using: &generator)
            state.soften(failureClass, held: 3, at: .after(5), using: &generator)
            #expect(state == clean && state.isClean)
        }
        #expect(generator != untouched)
        var state = clean
        state.count(.busy, at: .after(5), using: &generator)
        #expect((.minute...2 * .minute).contains(state.remaining(at: .after(5))))
        #expect(state.streakMilli == 0 && state.outcomeCount == 0 && state.breaker == .closed)
    }

    @Test("A wrong address costs whoever gossiped it nothing the first time")
    func grace() {
        var generator = SeededGenerator(seed: 1)
        var state = BackoffState.clean(at: .after(0))
        state.count(.identityMismatch, at: .after(0), using: &generator)
        #expect(state.dialVerdict(at: .after(0)) == .allowed)
        #expect(state.streakMilli == 1_000 && state.outcomeCount == 0)
        state.count(.identityMismatch, at: .after(1), using: &generator)
        #expect((30 * .minute...(.hour)).contains(state.remaining(at: .after(1))))
    }

    @Test("A held failure keeps the peer away as if it counted, and leaves no mark")
    func soften() {
        for seed in UInt64(1)...50 {
            var generator = SeededGenerator(seed: seed)
            var state = BackoffState.clean(at: .after(0))
            state.count(.timeout, at: .after(0), using: &generator)
            let now = Instant.after(.day)
            let before = state
            for held in 1...4 {
                state.soften(.timeout, held: held, at: now, using: &generator)
                let longest = FailurePolicy.standard.longestWait(
                    after: .timeout, streakMilli: before.carriedStreakMilli(at: now) + Int64(held) * 1_000)
                #expect(state.remaining(at: now) <= longest && state.remaining(at: now) >= longest / 2)
            }
            var unmarked = state
            unmarked.notBefore = before.notBefore
            unmarked.waitMilliseconds = before.waitMilliseconds
            #expect(unmarked == before, "seed \(seed)")
        }
    }

    @Test("A shorter wait never cuts a longer one short")
    func waitsOnlyGrow() {
        for seed in UInt64(1)...100 {
            var generator = SeededGenerator(seed: seed)
            var state = BackoffState.clean(at: .after(0))
            var now = Instant.after(0)
            for _ in 0..<40 {
                now = now + .random(in: 0...(.hour), using: &generator)
                let before = state.remaining(at: now)
                let failureClass = FailureClass.allCases.randomElement(using: &generator) ?? .reset
                if Bool.random(using: &generator) {
                    state.count(failureClass, at: now, using: &generator)
                } else {
                    state.soften(failureClass, held: 1, at: now, using: &generator)
                }
                #expect(state.remaining(at: now) >= before, "\(failureClass), seed \(seed)")
            }
        }
    }

    @Test("A success forgives, but misbehaviour is only halved and its wait goes on")
    func success() {
        var generator = SeededGenerator(seed: 1)
        var state = BackoffState.clean(at: .after(0))
        for _ in 0..<3 { state.count(.timeout, at: .after(0), using: &generator) }
        state.succeed(at: .after(1))
        #expect(state.streakMilli == 0 && state.dialVerdict(at: .after(1)) == .allowed)
        #expect(!state.isClean && state.recentOutcomes == 0b1110)
        for _ in 0..<31 { state.succeed(at: .after(2)) }
        #expect(state.isClean)

        state = .clean(at: .after(0))
        state.count(.badResponse, at: .after(0), using: &generator)
        state.count(.badResponse, at: .after(0), using: &generator)
        let wait = state.remaining(at: .after(0))
        state.succeed(at: .after(0))
        #expect(state.streakMilli == 2_000)
        #expect(state.remaining(at: .after(0)) == wait && wait > 0)
        state.succeed(at: .after(0))
        #expect(state.streakMilli == 1_000)
    }

    @Test("Misbehaviour is not laundered by a timeout on purpose")
    func laundering() {
        var generator = SeededGenerator(seed: 1)
        var state = BackoffState.clean(at: .after(0))
        state.count(.badResponse, at: .after(0), using: &generator)
        state.count(.timeout, at: .after(0), using: &generator)
        #expect(state.lastClass == .badResponse && state.streakMilli == 3_000)
        state.succeed(at: .after(0))
        #expect(state.streakMilli == 1_500)
        // It fades like everything else.
        state.count(.timeout, at: .after(7 * .day), using: &generator)
        #expect(state.lastClass == .timeout)
        state.succeed(at: .after(7 * .day))
        #expect(state.streakMilli == 0)
    }

    @Test("The wait after a clock jump is at most what was meant, and time goes on once it is anchored")
    func clockJumps() {
        var generator = SeededGenerator(seed: 1)
        var state = BackoffState.clean(at: .after(0))
        for _ in 0..<4 { state.count(.refused, at: .after(0), using: &generator) }
        let wait = state.waitMilliseconds
        let past = Instant.after(-365 * .day)
        #expect(state.remaining(at: past) == wait)
        #expect(state.remaining(at: past + .day) == wait)
        let anchored = state.anchored(at: past)
        #expect(anchored != state)
        #expect(anchored.remaining(at: past) == wait)
        #expect(anchored.remaining(at: past + wait) == 0)
        #expect(anchored.anchored(at: past + 5) == anchored)
        #expect(state.anchored(at: .after(7)) == state)
        // Forward: free, and the next failure waits as long as any.
        let future = Instant.after(365 * .day)
        #expect(state.dialVerdict(at: future) == .allowed)
        state.count(.refused, at: future, using: &generator)
        #expect(state.remaining(at: future) >= 2 * .minute)
    }

    struct Month: Sendable {
        let failureClass: FailureClass
        let dials: Double
    }

    static func dials(_ failureClass: FailureClass, _ policy: FailurePolicy, seed: UInt64) -> Int {
        var generator = SeededGenerator(seed: seed)
        var state = BackoffState.clean(at: .after(0))
        var now = Instant.after(0)
        var dials = 0
        while now < .after(30 * .day) {
            switch state.dialVerdict(at: now, policy: policy) {
            case .allowed: break
            case .trial: #expect(state.grantTrial(at: now, policy: policy, using: &generator))
            case let verdict:
                now = now + verdict.remainingMilliseconds
                continue
            }
            dials += 1
            state.count(failureClass, at: now, policy: policy, using: &generator)
        }
        return dials
    }

    @Test(
        "One dead peer is dialled so often in 30 days",
        arguments: [
            Month(failureClass: .timeout, dials: 168), Month(failureClass: .refused, dials: 87),
            Month(failureClass: .negotiation, dials: 45),
        ])
    func month(expected: Month) {
        let seeds = UInt64(1)...30
        let total = seeds.map { Self.dials(expected.failureClass, .withoutBreaker, seed: $0) }.reduce(0, +)
        let mean = Double(total) / Double(seeds.count)
        #expect(abs(mean - expected.dials) <= expected.dials / 10, "mean \(mean)")
        // The breaker only ever lengthens the waits.
        let broken = seeds.map { Self.dials(expected.failureClass, .standard, seed: $0) }.reduce(0, +)
        #expect(Double(broken) / Double(seeds.count) <= mean * 1.02, "\(broken)")
    }
}
