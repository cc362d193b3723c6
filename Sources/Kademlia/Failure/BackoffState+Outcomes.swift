extension BackoffState {
    /// Takes in a failure that is the peer's own: streak, outcomes, breaker, and the wait that follows.
    ///
    /// A class of weight 0 costs its wait alone (a busy peer), or nothing at all (cancelled, local).
    public mutating func count(
        _ failureClass: FailureClass, at now: Instant, policy: FailurePolicy = .standard,
        using generator: inout some RandomNumberGenerator
    ) {
        let weight = policy.weightMilli(failureClass)
        guard weight > 0 || policy[failureClass].baseMilliseconds > 0 else { return }
        self = anchored(at: now)
        var streak = carriedStreakMilli(at: now, policy: policy)
        guard weight > 0 else {
            hold(for: policy.wait(after: failureClass, streakMilli: streak, using: &generator), from: now)
            return
        }
        // Misbehaviour is not covered up by a timeout on purpose: its class stays until its streak has decayed.
        if failureClass.isMisbehaviour || !lastClass.isMisbehaviour || streak < 1_000 { lastClass = failureClass }
        streak = Swift.min(streak + weight, Self.maximumStreakMilli)
        streakMilli = streak
        streakAt = now
        // A wrong address that somebody gossiped is no outcome of a call to the one who gossiped it.
        if failureClass != .identityMismatch { push(failed: true) }
        hold(for: policy.wait(after: failureClass, streakMilli: streak, using: &generator), from: now)
        trip(at: now, policy: policy, using: &generator)
    }

    /// Takes in a success. A streak ends, but misbehaviour is only halved, and its wait goes on: nobody launders it with
    /// one good answer.
    public mutating func succeed(at now: Instant, policy: FailurePolicy = .standard) {
        self = anchored(at: now)
        let streak = effectiveStreakMilli(at: now, policy: policy)
        let isStained = lastClass.isMisbehaviour && streak > 0
        streakMilli = isStained ? streak / 2 : 0
        streakAt = now
        push(failed: false)
        // A half-open breaker's wait is its lease; what misbehaviour cost was served before the trial.
        let keepsWaiting = isStained && breaker != .halfOpen && remaining(at: now) > 0
        if !keepsWaiting {
            notBefore = nil
            waitMilliseconds = 0
        }
        switch breaker {
        case .closed: heal(at: now, policy: policy)
        case .open where keepsWaiting: break
        case .open: pass(trials: 1, at: now, policy: policy)
        case .halfOpen: pass(trials: Swift.min(Swift.max(0, trials), 1_000) + 1, at: now, policy: policy)
        }
    }

    private mutating func push(failed: Bool) {
        outcomes = recentOutcomes << 1 | (failed ? 1 : 0)
        outcomeCount = Swift.min(Swift.max(0, outcomeCount), 31) + 1
    }
}

// MARK: - The circuit breaker

extension BackoffState {
    /// Opens the breaker after a counted failure, where that is due. While it is open already, late failures of earlier
    /// calls do not open it again.
    private mutating func trip(
        at now: Instant, policy: FailurePolicy, using generator: inout some RandomNumberGenerator
    ) {
        switch breaker {
        case .open: return
        case .closed where !isTripping(policy.breaker):
            // Not a healthy hour.
            if openedAt != nil { openedAt = now }
            return
        case .closed, .halfOpen: break
        }
        breaker = .open
        openings = Swift.min(Swift.max(0, openings), Swift.max(1, policy.breaker.maximumOpenings) - 1) + 1
        openedAt = now
        trials = 0
        hold(for: policy.openTime(opening: openings, using: &generator), from: now)
    }

    private func isTripping(_ rule: FailurePolicy.Breaker) -> Bool {
        if FailurePolicy.failures(streakMilli) >= Int64(rule.openingStreak) { return true }
        let window = Swift.min(Swift.max(1, rule.window), 32)
        let seen = Swift.min(outcomeCount, window)
        guard seen >= rule.minimumOutcomes else { return false }
        let mask: UInt32 = window == 32 ? .max : (1 << UInt32(window)) - 1
        let failed = (recentOutcomes & mask).nonzeroBitCount
        return failed * 100 >= seen * Swift.min(Swift.max(0, rule.failurePercent), 100)
    }

    /// A trial was answered; enough of them close the breaker. What it has seen before is not held against the peer twice:
    /// the window starts anew with the trials, or the next single failure would open it again.
    private mutating func pass(trials passed: Int, at now: Instant, policy: FailurePolicy) {
        trials = passed
        breaker = .halfOpen
        guard passed >= policy.breaker.closingTrials else { return }
        breaker = .closed
        trials = 0
        outcomes = 0
        outcomeCount = Swift.min(passed, 32)
        openedAt = openings > 0 ? now : nil
    }

    /// Forgets one opening for each healthy hour: from one success to a later one, without a counted failure between.
    private mutating func heal(at now: Instant, policy: FailurePolicy) {
        guard openings > 0 else {
            openings = 0
            openedAt = nil
            return
        }
        let since = openedAt ?? now
        let hour = Swift.max(1, policy.breaker.healingMilliseconds)
        let hours = Swift.max(0, now.millisecondsSince(since)) / hour
        openings = hours >= Int64(openings) ? 0 : openings - Int(hours)
        openedAt = openings == 0 ? nil : since.advanced(byMilliseconds: hours * hour)
    }
}
