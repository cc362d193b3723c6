import Kademlia
import TestSupport
import Testing

@Suite("What each class of failure costs")
struct FailurePolicyTests {
    struct Row: Sendable {
        let failureClass: FailureClass
        let isRetried: Bool
        let base: Int64
        let cap: Int64
        let weight: Int
    }

    static let rows = [
        Row(failureClass: .timeout, isRetried: true, base: .minute, cap: 6 * .hour, weight: 1),
        Row(failureClass: .refused, isRetried: false, base: 5 * .minute, cap: 12 * .hour, weight: 1),
        Row(failureClass: .reset, isRetried: true, base: 15 * .second, cap: .hour, weight: 1),
        Row(failureClass: .unreachable, isRetried: false, base: 5 * .minute, cap: 6 * .hour, weight: 1),
        Row(failureClass: .negotiation, isRetried: false, base: 30 * .minute, cap: 24 * .hour, weight: 1),
        Row(failureClass: .badResponse, isRetried: false, base: .hour, cap: 7 * .day, weight: 2),
        Row(failureClass: .identityMismatch, isRetried: false, base: .hour, cap: 7 * .day, weight: 1),
        Row(failureClass: .stream, isRetried: true, base: .second, cap: 10 * .minute, weight: 1),
        Row(failureClass: .busy, isRetried: false, base: 2 * .minute, cap: 30 * .minute, weight: 0),
        Row(failureClass: .cancelled, isRetried: false, base: 0, cap: 0, weight: 0),
        Row(failureClass: .local, isRetried: false, base: 0, cap: 0, weight: 0),
    ]

    @Test("Every class has the row of the table", arguments: rows)
    func table(row: Row) {
        let rule = FailurePolicy.standard[row.failureClass]
        #expect(rule.baseMilliseconds == row.base)
        #expect(rule.capMilliseconds == row.cap)
        #expect(rule.weight == row.weight)
        #expect(rule.isRetriedInCall == row.isRetried)
        let isMisbehaviour = row.failureClass == .badResponse || row.failureClass == .identityMismatch
        #expect(rule.halfLifeMilliseconds == (isMisbehaviour ? 7 * .day : .day))
        #expect(rule.grace == (row.failureClass == .identityMismatch ? 1 : 0))
    }

    @Test("The table has every class, and raw values and rules stay together")
    func complete() {
        #expect(Self.rows.map(\.failureClass) == FailureClass.allCases)
        var policy = FailurePolicy()
        for failureClass in FailureClass.allCases {
            policy[failureClass].baseMilliseconds = Int64(failureClass.rawValue)
        }
        for failureClass in FailureClass.allCases {
            #expect(policy[failureClass].baseMilliseconds == Int64(failureClass.rawValue))
        }
    }

    @Test("The further a failure reaches, the longer the first wait; our own reach nobody")
    func scopes() throws {
        let bases = Dictionary(grouping: FailureClass.allCases.filter { $0 != .busy }) { $0.scope }
            .mapValues { $0.map { FailurePolicy.standard[$0].baseMilliseconds } }
        #expect(bases[nil] == [0, 0])
        let stream = try #require(bases[.stream]?.max())
        #expect(try stream < #require(bases[.connection]?.min()))
        #expect(FailureClass.badResponse.scope == .peer)
        // Whose fault is one stream's is worth another stream at once.
        for failureClass in FailureClass.allCases where failureClass.scope == .peer {
            #expect(!FailurePolicy.standard[failureClass].isRetriedInCall)
        }
        #expect(Set(FailureClass.allCases.compactMap(\.scope)) == Set(FailureScope.allCases))
    }

    /// `min(cap, base * 2^(max(1, ceil(s)) - 1))`, in floating point.
    static func oracle(_ row: Row, streakMilli: Int64, grace: Double) -> Double {
        let failures = (Double(max(0, streakMilli)) / 1_000).rounded(.up)
        if grace > 0, failures <= grace { return 0 }
        var wait = Double(row.base)
        for _ in 0..<Int(min(20, max(1, failures - grace) - 1)) { wait *= 2 }
        return min(Double(row.cap), wait)
    }

    @Test("The longest wait doubles with each whole failure, up to the cap", arguments: rows)
    func waits(row: Row) {
        let policy = FailurePolicy.standard
        for step in Int64(0)...560 {
            // Thousandths around every whole and half failure.
            let streak = step / 7 * 500 + step % 7 - 3
            let grace = row.failureClass == .identityMismatch ? 1.0 : 0
            let wait = policy.longestWait(after: row.failureClass, streakMilli: streak)
            #expect(Double(wait) == Self.oracle(row, streakMilli: streak, grace: grace), "streak \(streak)")
        }
        #expect(policy.longestWait(after: row.failureClass, streakMilli: .max) == row.cap)
        let least = row.failureClass == .identityMismatch ? 0 : row.base
        #expect(policy.longestWait(after: row.failureClass, streakMilli: .min) == least)
    }

    @Test("A policy of absurd numbers never traps", arguments: Seeds.first(20))
    func absurdPolicies(seed: UInt64) {
        var generator = SeededGenerator(seed: seed)
        func draw() -> Int64 { Damage.number(using: &generator) }
        for _ in 0..<100 {
            var policy = FailurePolicy()
            for failureClass in FailureClass.allCases {
                policy[failureClass] = FailurePolicy.Rule(
                    baseMilliseconds: draw(), capMilliseconds: draw(), weight: Int(draw()),
                    halfLifeMilliseconds: draw(), isRetriedInCall: draw() > 0, grace: Int(draw()))
            }
            policy.breaker.openingStreak = Int(draw())
            policy.breaker.window = Int(draw())
            policy.breaker.minimumOutcomes = Int(draw())
            policy.breaker.failurePercent = Int(draw())
            policy.breaker.baseMilliseconds = draw()
            policy.breaker.capMilliseconds = draw()
            policy.breaker.jitterPercent = Int(draw())
            policy.breaker.leaseMilliseconds = draw()
            policy.breaker.closingTrials = Int(draw())
            policy.breaker.healingMilliseconds = draw()
            policy.breaker.maximumOpenings = Int(draw())
            policy.selection.failurePercent = Int(draw())
            policy.selection.maximumFailures = Int(draw())
            policy.selection.recentMilliseconds = draw()
            policy.selection.recentPercent = Int(draw())
            policy.selection.halfLifeMilliseconds = draw()
            policy.selection.floorPercent = Int(draw())
            policy.maximumDecayMilliseconds = draw()
            var state = Damage.state(using: &generator)
            for failureClass in FailureClass.allCases {
                let now = Instant(milliseconds: draw())
                state.soften(failureClass, held: Int(draw()), at: now, policy: policy, using: &generator)
                state.count(failureClass, at: now, policy: policy, using: &generator)
                _ = state.grantTrial(at: now, policy: policy, using: &generator)
                state.succeed(at: now, policy: policy)
                let weight = SelectionWeight.weight(
                    backoff: state, lastOK: now, lastTried: Instant(milliseconds: draw()), at: now, policy: policy)
                #expect(weight > 0 && weight <= SelectionWeight.one)
            }
        }
    }

    @Test("Retries inside a call take 1 to 100 ms each, 45 ms together on average and 87 ms at most")
    func retryDelays() {
        var generator = SeededGenerator(seed: 1)
        var sum: Int64 = 0
        var longest: Int64 = 0
        var extremes = Array(repeating: (low: Int64.max, high: Int64.min), count: 6)
        for _ in 0..<20_000 {
            var total: Int64 = 0
            for attempt in 0..<6 {
                let delay = RetrySchedule.delayMilliseconds(attempt: attempt, using: &generator)
                extremes[attempt] = (min(extremes[attempt].low, delay), max(extremes[attempt].high, delay))
                if attempt < RetrySchedule.maximumRetries { total += delay }
            }
            sum += total
            longest = max(longest, total)
        }
        #expect(extremes.map(\.low) == [1, 1, 1, 1, 1, 1])
        #expect(extremes.map(\.high) == [5, 17, 65, 100, 100, 100])
        #expect(abs(Double(sum) / 20_000 - 45) < 1)
        #expect(longest <= 87 && longest > 80)
        #expect(RetrySchedule.delayMilliseconds(attempt: .min, using: &generator) <= 5)
        #expect(RetrySchedule.delayMilliseconds(attempt: .max, using: &generator) <= 100)
    }

    @Test("A call retries three times, classes that pass quickly only, and never past its deadline")
    func retryVerdicts() {
        var generator = SeededGenerator(seed: 1)
        for row in Self.rows {
            for attempt in -1...4 {
                let delay = RetrySchedule.delayMilliseconds(
                    attempt: attempt, after: row.failureClass, remaining: 1_000, using: &generator)
                #expect((delay != nil) == (row.isRetried && (0..<3).contains(attempt)))
            }
        }
        for remaining in Int64(-1)...66 {
            let delay = RetrySchedule.delayMilliseconds(
                attempt: 2, after: .timeout, remaining: remaining, using: &generator)
            if let delay { #expect(delay < remaining) } else { #expect(remaining <= 65) }
        }
    }
}
