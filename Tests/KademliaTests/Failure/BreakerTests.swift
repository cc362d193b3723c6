import Kademlia
import TestSupport
import Testing

@Suite("The circuit breaker")
struct BreakerTests {
    typealias Breaker = BackoffState.Breaker

    /// Fails until the breaker opens, each time as soon as it may.
    static func opened(at start: Instant = .after(0), using generator: inout SeededGenerator) -> BackoffState {
        var state = BackoffState.clean(at: start)
        while state.breaker == .closed { state.count(.stream, at: start, using: &generator) }
        return state
    }

    /// Waits until a trial is due, leases it, and tells when that was.
    static func trial(_ state: inout BackoffState, from now: Instant, using generator: inout SeededGenerator) -> Instant
    {
        let now = now + state.dialVerdict(at: now).remainingMilliseconds
        #expect(state.dialVerdict(at: now) == .trial)
        let isGranted = state.grantTrial(at: now, using: &generator)
        #expect(isGranted)
        return now
    }

    @Test("Five failures in a row open it, however long they took")
    func streak() {
        var generator = SeededGenerator(seed: 1)
        var state = BackoffState.clean(at: .after(0))
        var now = Instant.after(0)
        for failure in 1...5 {
            #expect(state.breaker == .closed)
            state.count(.timeout, at: now, using: &generator)
            #expect((state.breaker == .open) == (failure == 5))
            now = now + state.remaining(at: now)
        }
        #expect(state.openings == 1 && state.openedAt != nil)
    }

    @Test("Every other call failing opens it, once ten outcomes are known")
    func share() {
        var generator = SeededGenerator(seed: 1)
        var state = BackoffState.clean(at: .after(0))
        for outcome in 1...10 {
            #expect(state.breaker == .closed)
            if outcome.isMultiple(of: 2) {
                state.count(.timeout, at: .after(0), using: &generator)
            } else {
                state.succeed(at: .after(0))
            }
        }
        #expect(state.breaker == .open)
    }

    @Test("The share is of the last 20 outcomes", arguments: Seeds.first(30))
    func window(seed: UInt64) {
        var generator = SeededGenerator(seed: seed)
        var policy = FailurePolicy()
        policy.breaker.openingStreak = .max
        var state = BackoffState.clean(at: .after(0))
        var outcomes: [Bool] = []
        for step in 0..<200 {
            let now = Instant.after(Int64(step) * .minute)
            let fails = Int.random(in: 0..<100, using: &generator) < 35
            outcomes.append(fails)
            if fails {
                state.count(.timeout, at: now, policy: policy, using: &generator)
                let last = outcomes.suffix(20)
                let isDue = last.count >= 10 && last.count(where: { $0 }) * 2 >= last.count
                #expect((state.breaker == .open) == isDue, "step \(step), seed \(seed)")
                if isDue { return }
            } else {
                state.succeed(at: now, policy: policy)
            }
            let expected = outcomes.suffix(32).reduce(UInt32(0)) { $0 << 1 | ($1 ? 1 : 0) }
            #expect(state.recentOutcomes == expected && state.outcomeCount == min(32, outcomes.count))
        }
    }

    @Test("It stays open for a minute the first time, twice as long each time, six hours at most")
    func openTimes() {
        for seed in UInt64(1)...30 {
            var generator = SeededGenerator(seed: seed)
            var state = Self.opened(using: &generator)
            var now = Instant.after(0)
            for opening in 1...14 {
                #expect(state.openings == opening && state.breaker == .open)
                let time = min(6 * .hour, .minute << Int64(opening - 1))
                // The failures' own waits (streams: ten minutes at most) may be longer.
                let longest = max(time * 6 / 5, 10 * .minute)
                let open = state.remaining(at: now)
                #expect(open >= time * 4 / 5 && open <= longest, "opening \(opening), seed \(seed)")
                #expect(state.dialVerdict(at: now) == .breakerOpen(milliseconds: open))
                now = Self.trial(&state, from: now, using: &generator)
                state.count(.stream, at: now, using: &generator)
            }
        }
    }

    @Test("One permit at a time, leased: a lost trial costs its lease and wedges nothing")
    func lease() {
        var generator = SeededGenerator(seed: 1)
        var state = Self.opened(using: &generator)
        var now = Self.trial(&state, from: .after(0), using: &generator)
        for _ in 0..<20 {
            #expect(state.breaker == .halfOpen)
            guard case .trialUnderWay(let lease) = state.dialVerdict(at: now) else {
                Issue.record("a second permit")
                return
            }
            #expect((48 * .second...72 * .second).contains(lease))
            let refused = state.grantTrial(at: now + lease - 1, using: &generator)
            #expect(!refused)
            // Cancelled: nothing is told but that.
            state.count(.cancelled, at: now, using: &generator)
            now = Self.trial(&state, from: now, using: &generator)
        }
        state.succeed(at: now)
        now = Self.trial(&state, from: now, using: &generator)
        state.succeed(at: now)
        #expect(state.breaker == .closed && state.dialVerdict(at: now) == .allowed)
    }

    @Test("No permit is granted to a peer that is not due for a trial")
    func noPermit() {
        var generator = SeededGenerator(seed: 1)
        var state = BackoffState.clean(at: .after(0))
        let clean = state
        #expect(!state.grantTrial(at: .after(0), using: &generator))
        #expect(state == clean)
        state = Self.opened(using: &generator)
        let open = state
        #expect(!state.grantTrial(at: .after(0), using: &generator))
        #expect(state == open)
    }

    @Test("A failed trial opens it again for longer; late failures of earlier calls do not")
    func reopening() {
        var generator = SeededGenerator(seed: 1)
        var state = Self.opened(using: &generator)
        state.count(.timeout, at: .after(10), using: &generator)
        #expect(state.openings == 1)
        let now = Self.trial(&state, from: .after(10), using: &generator)
        state.succeed(at: now)
        #expect(state.breaker == .halfOpen && state.trials == 1)
        state.count(.timeout, at: now, using: &generator)
        #expect(state.breaker == .open && state.openings == 2 && state.trials == 0)
    }

    @Test("After it has closed, one failure does not open it again; healthy hours forget its openings")
    func healing() {
        var generator = SeededGenerator(seed: 1)
        var state = Self.opened(using: &generator)
        var now = Instant.after(0)
        for _ in 0..<3 {
            now = Self.trial(&state, from: now, using: &generator)
            state.count(.stream, at: now, using: &generator)
        }
        #expect(state.openings == 4)
        for _ in 0..<2 {
            now = Self.trial(&state, from: now, using: &generator)
            state.succeed(at: now)
        }
        #expect(state.breaker == .closed && state.openings == 4 && state.recentOutcomes == 0)
        state.count(.timeout, at: now, using: &generator)
        #expect(state.breaker == .closed)
        state.succeed(at: now + .hour - 1)
        #expect(state.openings == 4)
        state.succeed(at: now + .hour)
        #expect(state.openings == 3)
        state.succeed(at: now + .hour * 5 / 2)
        #expect(state.openings == 2)
        // Half of the third hour was credited to nobody yet.
        state.succeed(at: now + 3 * .hour)
        #expect(state.openings == 1)
        // A failure is not a healthy hour.
        state.count(.timeout, at: now + .hour * 7 / 2, using: &generator)
        state.succeed(at: now + 4 * .hour)
        #expect(state.openings == 1)
        state.succeed(at: now + 9 * .hour)
        #expect(state.openings == 0 && state.openedAt == nil)
    }

    @Test("Misbehaviour while the breaker is open is not bought off by answers before the wait is over")
    func openMisbehaviour() {
        var generator = SeededGenerator(seed: 1)
        var state = BackoffState.clean(at: .after(0))
        for _ in 0..<3 { state.count(.badResponse, at: .after(0), using: &generator) }
        #expect(state.breaker == .open)
        let wait = state.remaining(at: .after(0))
        for _ in 0..<4 { state.succeed(at: .after(1)) }
        #expect(state.breaker == .open && state.remaining(at: .after(0)) == wait)
        var now = Self.trial(&state, from: .after(0), using: &generator)
        state.succeed(at: now)
        now = Self.trial(&state, from: now, using: &generator)
        state.succeed(at: now)
        #expect(state.breaker == .closed)
    }

    @Test("A restart voids a trial and nothing else; the same decisions follow", arguments: Seeds.first(30))
    func restarts(seed: UInt64) {
        var generator = SeededGenerator(seed: seed)
        var state = BackoffState.clean(at: .after(0))
        var now = Instant.after(0)
        for step in 0..<150 {
            now = now + .random(in: 0...(2 * .hour), using: &generator)
            let failureClass = FailureClass.allCases.randomElement(using: &generator) ?? .timeout
            let action = Int.random(in: 0..<4, using: &generator)
            func act(_ state: inout BackoffState, _ generator: inout SeededGenerator) {
                switch action {
                case 0: state.succeed(at: now)
                case 1: state.soften(failureClass, held: 1 + step % 3, at: now, using: &generator)
                case 2: _ = state.grantTrial(at: now, using: &generator)
                default: state.count(failureClass, at: now, using: &generator)
                }
            }
            let loaded = state.loaded()
            #expect(loaded.loaded() == loaded)
            if state.breaker == .halfOpen {
                #expect(loaded.breaker == .open && loaded.trials == 0)
                #expect(loaded.remaining(at: now) == state.remaining(at: now))
            } else {
                #expect(loaded == state, "step \(step)")
                var copy = loaded
                var other = generator
                act(&copy, &other)
                var same = generator
                act(&state, &same)
                #expect(copy == state && other == same, "step \(step)")
                generator = same
                continue
            }
            // Killed in the middle of a trial, now and then.
            if Int.random(in: 0..<3, using: &generator) == 0 { state = loaded }
            act(&state, &generator)
        }
    }

    @Test("Whatever happens, every number stays in its range and no peer is lost for good", arguments: Seeds.first(30))
    func invariants(seed: UInt64) {
        var generator = SeededGenerator(seed: seed)
        var state = seed.isMultiple(of: 2) ? BackoffState.clean(at: .after(0)) : Damage.state(using: &generator)
        state = state.loaded()
        var now = Instant.after(0)
        for step in 0..<300 {
            // Jumps of the clock among them, in both directions.
            switch Int.random(in: 0..<20, using: &generator) {
            case 0: now = now + .random(in: -400 * .day...400 * .day, using: &generator)
            default: now = now + .random(in: 0...(.hour), using: &generator)
            }
            let failureClass = FailureClass.allCases.randomElement(using: &generator) ?? .timeout
            switch Int.random(in: 0..<8, using: &generator) {
            case 0: state.succeed(at: now)
            case 1: state.soften(failureClass, held: Int(Damage.number(using: &generator)), at: now, using: &generator)
            case 2: _ = state.grantTrial(at: now, using: &generator)
            case 3: state = state.loaded().anchored(at: now)
            default: state.count(failureClass, at: now, using: &generator)
            }
            #expect((0...BackoffState.maximumStreakMilli).contains(state.streakMilli), "step \(step)")
            #expect((0...32).contains(state.outcomeCount))
            #expect(state.outcomeCount == 32 || state.outcomes >> UInt32(state.outcomeCount) == 0)
            #expect(state.openings >= 0 && state.trials >= 0 && state.waitMilliseconds >= 0)
            #expect(state.effectiveStreakMilli(at: now) <= state.streakMilli)
            #expect(state.carriedStreakMilli(at: now) >= state.effectiveStreakMilli(at: now))
            if state.breaker == .closed { #expect(state.trials == 0) }
            if state.isClean { #expect(state.dialVerdict(at: now) == .allowed) }
            // Once it is anchored, every wait ends within the longest there is.
            let remaining = state.dialVerdict(at: now).remainingMilliseconds
            #expect(remaining <= max(state.waitMilliseconds, 0))
            let later = state.anchored(at: now).dialVerdict(at: now + remaining)
            #expect(later == .allowed || later == .trial)
        }
    }

    @Test("A state of damaged numbers never traps", arguments: Seeds.first(50))
    func damage(seed: UInt64) {
        var generator = SeededGenerator(seed: seed)
        for _ in 0..<200 {
            var state = Damage.state(using: &generator)
            let now = Instant(milliseconds: Damage.number(using: &generator))
            _ = state.dialVerdict(at: now)
            _ = state.isClean
            #expect(SelectionWeight.weight(backoff: state, lastOK: now, lastTried: nil, at: now) > 0)
            #expect(state.loaded().anchored(at: now).loaded().anchored(at: now) == state.loaded().anchored(at: now))
            switch Int.random(in: 0..<4, using: &generator) {
            case 0: state.succeed(at: now)
            case 1: state.count(.badResponse, at: now, using: &generator)
            case 2: state.soften(.refused, held: Int(Damage.number(using: &generator)), at: now, using: &generator)
            default: _ = state.grantTrial(at: now, using: &generator)
            }
            #expect(state.effectiveStreakMilli(at: now) >= 0)
        }
    }

    @Test("A bucket with hardly a closed breaker tries the others, the soonest first")
    func panic() {
        var generator = SeededGenerator(seed: 1)
        func bucket(closed: Int, of count: Int) -> [BreakerPanic.Contact] {
            (0..<count).map { index in
                let key = Key(UInt64(index), 0, 0, 0)
                guard index >= closed else { return (key, index == 0 ? nil : .clean(at: .after(0))) }
                var state = Self.opened(using: &generator)
                state.waitMilliseconds = Int64(count - index) * .minute
                state.notBefore = .after(state.waitMilliseconds)
                return (key, state)
            }
        }
        #expect(BreakerPanic.released(of: bucket(closed: 0, of: 7), at: .after(0)) == nil)
        #expect(BreakerPanic.released(of: bucket(closed: 3, of: 8), at: .after(0)) == nil)
        let released = BreakerPanic.released(of: bucket(closed: 2, of: 8), at: .after(0))
        #expect(released == (2..<8).reversed().map { Key(UInt64($0), 0, 0, 0) })
        let past = BreakerPanic.released(of: bucket(closed: 0, of: 8), at: .after(.day))
        #expect(past == (0..<8).map { Key(UInt64($0), 0, 0, 0) })
    }
}
