extension Lookup {
    /// Takes a peer into a path's frontier, if it is new and near enough.
    ///
    /// - Parameter depth: 1 for a peer that is known without an answer, one more for each answer that led to it.
    /// - Returns: its place among the path's peers when it entered.
    mutating func consider(_ key: Key, path: Int, depth: UInt16, _ directives: inout [Directive]) -> Int? {
        statistics.offered += 1
        guard key != localKey else { return nil }
        let distance = key.distance(to: target)
        statistics.distances += 1
        guard paths[path].frontier.concerns(distance) else { return nil }

        let state: Frontier.State
        switch fates[key] {
        case .failed, .skipped: return nil
        case .answered: state = .answered
        case .awaited: state = flights.contains { $0.key == key && $0.isSlow } ? .slow : .asked
        case nil: state = .waiting
        }
        guard let place = paths[path].frontier.insert(distance, depth: depth, state: state) else { return nil }
        // Asked by another path, or so far behind that it was let go: nothing new.
        guard state == .waiting else { return nil }
        statistics.entered += 1
        statistics.peakFrontier = max(statistics.peakFrontier, paths.reduce(0) { $0 + $1.frontier.entries.count })
        if place < limits.k { directives.append(.closer(key)) }
        return place
    }

    /// Ends the lookup if it is over; else asks the store and the peers for what can be asked for now.
    mutating func proceed(at now: Uptime, _ directives: inout [Directive]) {
        guard let endsAt, !isFinished else { return }
        if paths.allSatisfy({ $0.isSettled(limits.stop) }) {
            return finish(closest.count >= min(limits.k, limits.stop) ? .complete : .exhausted, at: now, &directives)
        }
        if configuration.beta != nil, paths.allSatisfy({ $0.isSettled(limits.beta) }) {
            return finish(.converged, at: now, &directives)
        }
        if now >= endsAt { return finish(.timeLimit, at: now, &directives) }

        if mayAskMore {
            for path in paths.indices {
                let shortage = paths[path].shortage(of: limits.stop)
                if shortage > 0 { refill([path], count: shortage, &directives) }
            }
            // One query for each path in turn, so that none takes what is left of the limit.
            var goesOn = true
            while goesOn {
                goesOn = false
                for path in paths.indices where ask(path: path, &directives) { goesOn = true }
            }
        }
        // Peers are waiting, but no more may be asked.
        if flights.isEmpty, !mayAskMore { finish(.queryLimit, at: now, &directives) }
    }

    private var mayAskMore: Bool { spent < limits.queries && statistics.skipped < limits.skipped }

    private mutating func ask(path: Int, _ directives: inout [Directive]) -> Bool {
        guard mayAskMore, let entry = paths[path].next(within: limits.stop) else { return false }
        let key = target.advanced(by: entry.distance)
        fates[key] = .awaited
        flights.append(Flight(key: key, distance: entry.distance, depth: entry.depth, path: path))
        mark(entry.distance, as: .asked)
        paths[path].asked()
        spent += 1
        statistics.peakActive = max(statistics.peakActive, paths.reduce(0) { $0 + $1.active })
        directives.append(.query(key))
        return true
    }

    mutating func refill(_ waiting: [Int], count: Int, _ directives: inout [Directive]) {
        guard let first = waiting.first else { return }
        refillCount += 1
        statistics.refills += 1
        let token = RefillToken(after: paths[first].frontier.horizon, number: refillCount)
        for path in waiting { paths[path].beginRefill(token) }
        directives.append(.refill(token, count: count))
    }

    mutating func finish(_ reason: FinishReason, at now: Uptime, _ directives: inout [Directive]) {
        statistics.reason = reason
        statistics.milliseconds = startedAt.map { max(0, now.millisecondsSince($0)) } ?? 0
        statistics.abandoned = flights.count { $0.marks != nil }
        directives += flights.map { .abandon($0.key) }
        directives.append(.finished(reason))
        flights = []
        fates = [:]
    }
}
