extension OutageGuard {
    /// Redials under way: first a canary, then the dials, then a second answer from elsewhere.
    struct Round: Hashable, Sendable {
        let startedAt: Instant
        /// Set while a canary is being asked.
        var isAsking = true
        /// When the first canary answered.
        var litAt: Instant?
        /// The last answer since.
        var answeredAt: Instant?
        /// Redials without an outcome.
        var outstanding: Set<Key>
        /// Redials that failed, and when.
        var failed: [Key: Instant] = [:]
        /// Redials in all, and those that were answered.
        let count: Int
        var answered = 0

        init(startedAt: Instant, outstanding: Set<Key>) {
            self.startedAt = startedAt
            self.outstanding = outstanding
            count = outstanding.count
        }

        func contains(_ key: Key) -> Bool { litAt != nil && outstanding.contains(key) }

        mutating func remove(_ key: Key) {
            outstanding.remove(key)
            failed[key] = nil
        }
    }

    /// When ``tick(at:)`` has something to do next; nil while nothing is held.
    /// - Complexity: O(held)
    public func nextTick(at now: Instant) -> Instant? {
        if let round {
            let end = round.startedAt.advanced(byMilliseconds: configuration.roundMilliseconds)
            return Swift.max(now, Swift.min(end, closing(round) ?? end))
        }
        guard let first = held.lazy.map({ self.redialTime(of: $0, at: now) }).min() else { return nil }
        return Swift.max(now, first, nextRound(at: now))
    }

    /// Time goes by.
    /// - Complexity: O(held log held) once a minute, else O(held)
    public mutating func tick(at now: Instant) -> [Directive] {
        if let round, !isWithin(configuration.roundMilliseconds, from: round.startedAt, to: now) { self.round = nil }
        return round == nil ? startRound(at: now) : continueRound(at: now)
    }

    /// The canary of the round answered, or did not, or there was nobody to ask.
    public mutating func canary(answered: Bool, at now: Instant) -> [Directive] {
        guard let round, round.isAsking else { return [] }
        self.round?.isAsking = false
        guard answered else {
            self.round = nil
            return []
        }
        var directives: [Directive] = []
        if witnesses.first.map({ isWithin(silence(after: $0), from: $0.at, to: now) }) != true {
            // Its answer was not told as an answer; it is one.
            directives += witness(group: nil, at: now)
        }
        guard round.litAt == nil else { return directives + settleRound(by: nil, at: now) }
        self.round?.litAt = now
        self.round?.answeredAt = now
        // Whoever answered meanwhile is not asked again; that may be all of them.
        return directives + (round.outstanding.isEmpty ? continueRound(at: now) : [.redial(round.outstanding.sorted())])
    }

    /// A redial of the round ended. The same as ``failed(_:group:class:at:)`` or ``answered(_:group:at:)``, for those who
    /// do not report it as any other call.
    public mutating func redialled(_ key: Key, failed: Bool, at now: Instant) -> [Directive] {
        guard round?.contains(key) == true, let failure = self[key] else { return [] }
        return failed ? failedAgain(key, class: failure.failureClass, at: now) : discard(key, at: now)
    }

    private mutating func startRound(at now: Instant) -> [Directive] {
        guard nextRound(at: now) <= now else { return [] }
        let due = held.filter { redialTime(of: $0, at: now) <= now }
            .sorted { ($0.redialledAt ?? $0.at, $0.key) < ($1.redialledAt ?? $1.at, $1.key) }
        guard let first = due.first else { return [] }
        // A group that answered lately stays out, so that there is somebody left to ask; its own turn comes when the
        // longest waiting is of it.
        let answering = witnesses.first { Self.isElsewhere($0.group, first.group) }?.group
        let picked = due.lazy.filter { Self.isElsewhere($0.group, answering) }
            .prefix(Swift.max(1, configuration.redialsPerRound))
        canaryAt = now
        round = Round(startedAt: now, outstanding: Set(picked.map(\.key)))
        var directives: [Directive] = [.changedWitnesses]
        for index in held.indices where round?.outstanding.contains(held[index].key) == true {
            held[index].redialledAt = now
            directives.append(.held(held[index]))
        }
        return directives + [.canary(notIn: Set(picked.compactMap(\.group)))]
    }

    /// When the next round may begin, at the earliest. A round that is dated in the future bars nothing.
    private func nextRound(at now: Instant) -> Instant {
        guard let canaryAt, canaryAt <= now else { return now }
        return canaryAt.advanced(byMilliseconds: configuration.roundIntervalMilliseconds)
    }

    /// When a failure may be redialled: traffic has had its time to settle it, or cannot, and others that fail with it may
    /// share its round.
    private func redialTime(of failure: Held, at now: Instant) -> Instant {
        guard failure.at <= now else { return now }
        return failure.at.advanced(
            byMilliseconds: failure.isWitnessed ? configuration.windowMilliseconds : configuration.callMilliseconds)
    }

    /// A redial failed: it waits for an answer from elsewhere.
    mutating func failedAgain(_ key: Key, class failureClass: FailureClass, at now: Instant) -> [Directive] {
        round?.outstanding.remove(key)
        round?.failed[key] = now
        var directives: [Directive] = []
        if let index = index(of: key), held[index].failureClass != failureClass {
            held[index].failureClass = failureClass
            directives.append(.held(held[index]))
        }
        return directives + continueRound(at: now)
    }

    mutating func leaveRound(_ key: Key, at now: Instant) -> [Directive] {
        round?.remove(key)
        return continueRound(at: now)
    }

    /// Charges the redials that failed, when the answers have not fallen silent since the canary's.
    ///
    /// What is silence here is known: there is an answer each beat. What is usual otherwise says nothing, for a node that
    /// talks in bursts hears nothing between them.
    mutating func settleRound(by group: NetworkGroup?, at now: Instant) -> [Directive] {
        guard let round, let answeredAt = round.answeredAt else { return [] }
        guard isWithin(silence(in: round), from: answeredAt, to: now) else {
            self.round = nil
            return []
        }
        self.round?.answeredAt = now
        var directives: [Directive] = []
        for (key, failedAt) in round.failed.sorted(by: { $0.key < $1.key }) where failedAt <= now {
            if let index = index(of: key) {
                guard Self.isElsewhere(group, held[index].group) else { continue }
                directives.append(.counted(held.remove(at: index)))
            }
            self.round?.remove(key)
        }
        return directives + continueRound(at: now)
    }

    /// Ends the round when nothing of it is left, and asks for its second answer when that is due.
    private mutating func continueRound(at now: Instant) -> [Directive] {
        guard let round, round.litAt != nil else { return [] }
        if round.outstanding.isEmpty, round.failed.isEmpty {
            self.round = nil
            guard 2 * round.answered > round.count else { return [] }
            let saved = configuration.roundIntervalMilliseconds - configuration.hastyIntervalMilliseconds
            canaryAt = round.startedAt.advanced(byMilliseconds: -Swift.max(0, saved))
            return [.changedWitnesses]
        }
        guard let closing = closing(round), closing <= now else { return [] }
        self.round?.isAsking = true
        let doubtful = round.outstanding.union(round.failed.keys)
        return [.canary(notIn: Set(doubtful.compactMap { self[$0]?.group }))]
    }

    /// When a round asks for its next answer: a beat after the last one, or at once when that is all it waits for.
    private func closing(_ round: Round) -> Instant? {
        guard !round.isAsking, let answeredAt = round.answeredAt else { return nil }
        if round.outstanding.isEmpty, let last = round.failed.values.max() { return last }
        return answeredAt.advanced(byMilliseconds: configuration.beatMilliseconds)
    }

    /// How long after an answer the next one is late: a beat and two of the first canary's round trips, and a beat to spare.
    private func silence(in round: Round) -> Int64 {
        let roundTrip = round.litAt.map { $0.millisecondsSince(round.startedAt) } ?? 0
        let late = 2 * configuration.beatMilliseconds + 2 * Swift.min(Swift.max(0, roundTrip), longestSilence)
        return Swift.min(late, longestSilence)
    }
}
