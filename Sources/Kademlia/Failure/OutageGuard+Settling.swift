extension OutageGuard {
    /// A dial or a request failed.
    /// - Parameters:
    ///   - key: whom the failure is charged to.
    ///   - group: that peer's network group.
    /// - Complexity: O(held)
    public mutating func failed(
        _ key: Key, group: NetworkGroup?, class failureClass: FailureClass, at now: Instant
    ) -> [Directive] {
        switch failureClass {
        case .cancelled, .local:
            // Says nothing; a redial that was not made is not waited for.
            return round?.contains(key) == true ? leaveRound(key, at: now) : []
        case .busy:
            return answered(key, group: group, at: now)
        case .identityMismatch, .badResponse:
            // A bad response is an answer: whatever was held of the peer's reach has passed. A wrong identity was
            // somebody else's answer.
            let past = failureClass == .badResponse ? discard(key, at: now) : []
            let failure = Held(key: key, group: group, failureClass: failureClass, at: now, isWitnessed: true)
            return past + [.counted(failure)]
        case .timeout, .refused, .reset, .unreachable, .negotiation, .stream:
            if round?.contains(key) == true { return failedAgain(key, class: failureClass, at: now) }
            return hold(key, group: group, class: failureClass, at: now)
        }
    }

    /// A peer answered.
    /// - Complexity: O(held)
    public mutating func answered(_ key: Key, group: NetworkGroup?, at now: Instant) -> [Directive] {
        discard(key, at: now) + witness(group: group, at: now) + settle(by: group, at: now)
    }

    /// The operating system says that the link is down: everything that is held may be its doing.
    public mutating func linkDown(at now: Instant) -> [Directive] {
        var directives = held.map(Directive.discarded)
        held = []
        round = nil
        if !witnesses.isEmpty { directives.append(.changedWitnesses) }
        witnesses = []
        return directives
    }

    /// The peer is forgiven or dropped: nothing is held of it any more.
    public mutating func forget(_ key: Key) {
        if let index = index(of: key) { held.remove(at: index) }
        round?.remove(key)
    }

    private mutating func hold(
        _ key: Key, group: NetworkGroup?, class failureClass: FailureClass, at now: Instant
    ) -> [Directive] {
        let isWitnessed = isLit(elsewhereThan: group, at: now)
        if isWitnessed { lastWitnessed = Swift.max(lastWitnessed ?? now, now) }
        if let index = index(of: key) {
            held[index].count = Swift.min(Swift.max(1, held[index].count), 999) + 1
            held[index].failureClass = failureClass
            held[index].group = group
            // Else the first failure's time stands, and with it when the peer is dialled again.
            if isWitnessed {
                held[index].at = now
                held[index].isWitnessed = true
            }
            return [.held(held[index])]
        }
        let failure = Held(key: key, group: group, failureClass: failureClass, at: now, isWitnessed: isWitnessed)
        held.insert(failure, at: insertionIndex(of: key))
        guard held.count > Swift.max(1, configuration.capacity),
            let oldest = held.indices.min(by: { (held[$0].at, $0) < (held[$1].at, $1) })
        else { return [.held(failure)] }
        let dropped = held.remove(at: oldest)
        round?.remove(dropped.key)
        return dropped == failure ? [.discarded(dropped)] : [.held(failure), .discarded(dropped)]
    }

    mutating func discard(_ key: Key, at now: Instant) -> [Directive] {
        var directives: [Directive] = []
        if let index = index(of: key) { directives.append(.discarded(held.remove(at: index))) }
        if round?.contains(key) == true { round?.answered += 1 }
        return directives + leaveRound(key, at: now)
    }

    /// Charges what an answer from this group settles.
    mutating func settle(by group: NetworkGroup?, at now: Instant) -> [Directive] {
        guard let lastWitnessed, now.millisecondsSince(lastWitnessed) <= configuration.windowMilliseconds else {
            return settleRound(by: group, at: now)
        }
        let settled = held.filter { Self.isElsewhere(group, $0.group) && canSettle($0, at: now) }
        for failure in settled { forget(failure.key) }
        return settled.map(Directive.counted) + settleRound(by: group, at: now)
    }

    /// Whether an answer from elsewhere, now, would charge it.
    func canSettle(_ failure: Held, at now: Instant) -> Bool {
        guard failure.isWitnessed, let last = witnesses.first else { return false }
        return isWithin(configuration.windowMilliseconds, from: failure.at, to: now)
            && last.since <= failure.at.advanced(byMilliseconds: -configuration.callMilliseconds)
    }
}

// MARK: - Witnesses

extension OutageGuard {
    /// An answer from this group arrived.
    mutating func witness(group: NetworkGroup?, at now: Instant) -> [Directive] {
        let before = witnesses
        var answer = Witness(group: group, at: now, spacing: longestSpacing)
        if let last = witnesses.first {
            if isWithin(longestSilence, from: last.at, to: now) {
                let gap = now.millisecondsSince(last.at)
                let spacing = spacing(of: last)
                answer.spacing = spacing + (sample(gap, usually: spacing) - spacing) / 8
                if gap <= silence(after: last) { answer.since = Swift.min(last.since, now) }
            } else if now < last.at {
                // The clock was set back: nothing is known of a time that is yet to come.
                witnesses = []
            }
        }
        let other = witnesses.first { Self.isElsewhere($0.group, group) }
        witnesses = [answer] + (other.map { [$0] } ?? [])
        return witnesses == before ? [] : [.changedWitnesses]
    }

    /// How long after this answer there is no silence yet, in milliseconds.
    func silence(after answer: Witness) -> Int64 {
        let silence = spacing(of: answer) / 1_000 * Swift.min(Swift.max(1, configuration.silenceFactor), 1_000)
        return Swift.min(Swift.max(configuration.minimumSilenceMilliseconds, silence), longestSilence)
    }

    /// A time between two answers in microseconds, as it enters the average: the pauses of a link that flaps should not
    /// become usual by being many.
    private func sample(_ milliseconds: Int64, usually spacing: Int64) -> Int64 {
        let least = Swift.min(Swift.max(0, configuration.minimumSilenceMilliseconds), longestSilence) * 1_000
        let floor = least / Swift.max(1, configuration.silenceFactor)
        return Swift.min(milliseconds * 1_000, 4 * Swift.max(spacing, floor))
    }

    private func spacing(of answer: Witness) -> Int64 { Swift.min(Swift.max(0, answer.spacing), longestSpacing) }

    /// What a row begins with, until its own spacing is known: the one with the longest silence.
    private var longestSpacing: Int64 { longestSilence * 1_000 / Swift.max(1, configuration.silenceFactor) }

    var longestSilence: Int64 { Swift.min(Swift.max(0, configuration.silenceMilliseconds), FailurePolicy.day) }

    /// Whether the link is known to have been up, by answers from elsewhere, for as long as a call that fails now can have
    /// been under way.
    private func isLit(elsewhereThan group: NetworkGroup?, at now: Instant) -> Bool {
        guard let last = witnesses.first, isWithin(silence(after: last), from: last.at, to: now),
            last.since <= now.advanced(byMilliseconds: -configuration.callMilliseconds)
        else { return false }
        return witnesses.contains {
            Self.isElsewhere($0.group, group) && isWithin(configuration.windowMilliseconds, from: $0.at, to: now)
        }
    }

    func isWithin(_ milliseconds: Int64, from earlier: Instant, to later: Instant) -> Bool {
        later >= earlier && later.millisecondsSince(earlier) <= milliseconds
    }
}
