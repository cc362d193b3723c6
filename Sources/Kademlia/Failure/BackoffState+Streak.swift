extension BackoffState {
    /// The longest streak, in thousandths: five times what the longest wait needs. A damaged number cannot hold a peer
    /// back for longer than this takes to decay.
    public static let maximumStreakMilli: Int64 = 100_000

    /// Nothing is held against the peer.
    public static func clean(at now: Instant) -> BackoffState {
        BackoffState(streakMilli: 0, streakAt: now, lastClass: .timeout)
    }

    /// Whether nothing is held against the peer, so that nothing needs to be stored of it.
    public var isClean: Bool {
        streakMilli <= 0 && recentOutcomes == 0 && breaker == .closed && openings <= 0 && notBefore == nil
    }

    /// The streak as it has decayed: `streak · 2^(-age / half-life)`, in thousandths, rounded down.
    ///
    /// The half-life is that of ``lastClass``. A streak that is dated in the future has not decayed.
    public func effectiveStreakMilli(at now: Instant, policy: FailurePolicy = .standard) -> Int64 {
        decayedStreakMilli(age: now.millisecondsSince(streakAt), policy: policy)
    }

    /// The streak that the next failure adds to: it decays only from when the last wait was over at the latest.
    ///
    /// While a peer is kept away nothing is learnt of it, so nothing is forgotten either. With the decay during the waits a
    /// dead peer's streak would never reach the cap: refused dials would come every 5 hours, not every 9.
    public func carriedStreakMilli(at now: Instant, policy: FailurePolicy = .standard) -> Int64 {
        let served = streakAt.advanced(
            byMilliseconds: policy.longestWait(after: lastClass, streakMilli: boundedStreakMilli))
        return decayedStreakMilli(age: now.millisecondsSince(served), policy: policy)
    }

    private var boundedStreakMilli: Int64 { Swift.min(Swift.max(0, streakMilli), Self.maximumStreakMilli) }

    private func decayedStreakMilli(age: Int64, policy: FailurePolicy) -> Int64 {
        let age = Swift.min(Swift.max(0, age), policy.maximumDecayMilliseconds)
        let left = Powers.decay(age: age, halfLife: policy[lastClass].halfLifeMilliseconds)
        return Int64(Powers.scale(UInt64(boundedStreakMilli), by: left))
    }

    /// The bits of ``outcomes`` that are outcomes.
    public var recentOutcomes: UInt32 {
        outcomeCount >= 32 ? outcomes : outcomes & ((1 << UInt32(Swift.max(0, outcomeCount))) - 1)
    }

    /// The state as it is read after a restart, or from a file that may be damaged: a trial that was under way did not
    /// survive, and every number is in its range.
    public func loaded() -> BackoffState {
        var state = self
        if state.breaker == .halfOpen { state.breaker = .open }
        state.trials = 0
        state.streakMilli = Swift.min(Swift.max(0, streakMilli), Self.maximumStreakMilli)
        state.waitMilliseconds = Swift.max(0, waitMilliseconds)
        state.outcomeCount = Swift.min(Swift.max(0, outcomeCount), 32)
        state.outcomes = state.recentOutcomes
        state.openings = Swift.max(0, openings)
        return state
    }

    /// The state with nothing dated later than it can be: stamps at `now` at the latest, and ``notBefore`` no further away
    /// than the wait was meant to be.
    ///
    /// ``remaining(at:)`` bounds the wait, but while the clock is a year behind the bound itself does not shrink: the peer
    /// would stay away for a year. Whoever reads a state that this changes writes the changed one back.
    public func anchored(at now: Instant) -> BackoffState {
        var state = self
        state.streakAt = Swift.min(streakAt, now)
        state.openedAt = openedAt.map { Swift.min($0, now) }
        state.notBefore = notBefore.map {
            Swift.min($0, now.advanced(byMilliseconds: Swift.max(0, waitMilliseconds)))
        }
        return state
    }

    /// Takes in a provisional failure: the peer is not dialled for as long as if `held` failures had been counted (the
    /// one at hand is among them), but the streak, the outcomes and the breaker wait for ``OutageGuard``'s judgement.
    public mutating func soften(
        _ failureClass: FailureClass, held: Int, at now: Instant, policy: FailurePolicy = .standard,
        using generator: inout some RandomNumberGenerator
    ) {
        self = anchored(at: now)
        let failures = Int64(Swift.min(Swift.max(0, held), 100)) * policy.weightMilli(failureClass)
        let streak = carriedStreakMilli(at: now, policy: policy) + failures
        hold(for: policy.wait(after: failureClass, streakMilli: streak, using: &generator), from: now)
    }

    /// No dial for `wait`; a longer wait that is under way stands.
    mutating func hold(for wait: Int64, from now: Instant) {
        guard wait > 0, wait >= remaining(at: now) else { return }
        notBefore = now.advanced(byMilliseconds: wait)
        waitMilliseconds = wait
    }
}

extension FailurePolicy {
    /// What one failure of the class adds to a streak, in thousandths.
    func weightMilli(_ failureClass: FailureClass) -> Int64 {
        Int64(Swift.min(Swift.max(0, self[failureClass].weight), 100)) * 1_000
    }
}
