extension Lookup {
    /// Begins. Usually answered by one `refill` for the nearest known peers. Once only.
    public mutating func start(at now: Uptime) -> [Directive] {
        guard startedAt == nil, !isFinished else { return [] }
        startedAt = now
        var directives: [Directive] = []
        // One reading for all paths: its peers are dealt to them in turn (S/Kademlia, section 4.4).
        refill(Array(paths.indices), count: min(2 * limits.stop, limits.capacity) * limits.paths, &directives)
        proceed(at: now, &directives)
        return directives
    }

    /// The store's answer to `refill`.
    ///
    /// - Parameters:
    ///   - keys: peers behind the token's `after`, best in order; the local key and known ones do no harm.
    ///   - reached: every peer that the store holds up to this distance, inclusive, is among `keys`, or the shell will
    ///     never ask it; nil when there is none beyond.
    public mutating func refilled(
        _ token: RefillToken, with keys: some Sequence<Key>, reached: Distance?, at now: Uptime
    ) -> [Directive] {
        let waiting = paths.indices.filter { paths[$0].refill == token }
        guard !waiting.isEmpty, !isFinished else { return [] }
        var directives: [Directive] = []
        for path in waiting { paths[path].endRefill(reached: reached) }
        var turn = 0
        for key in keys {
            _ = consider(key, path: waiting[turn], depth: 1, &directives)
            turn = (turn + 1) % waiting.count
        }
        proceed(at: now, &directives)
        return directives
    }

    /// Peers from outside: bootstrap peers, a table, the user. Dealt to the paths in turn. Before the start they are kept.
    public mutating func offered(_ keys: some Sequence<Key>, at now: Uptime) -> [Directive] {
        guard !isFinished else { return [] }
        var directives: [Directive] = []
        for key in keys {
            _ = consider(key, path: dealer, depth: 1, &directives)
            dealer = (dealer + 1) % paths.count
        }
        proceed(at: now, &directives)
        return directives
    }

    /// The query to this peer leaves now.
    ///
    /// - Parameter rtt: what is known of the peer.
    /// - Returns: when it counts as slow, and when it will be given up. For a second call, the same again; for a peer that
    ///   is not to be asked, what would be.
    public mutating func dispatched(
        _ key: Key, rtt: RTTEstimate?, at now: Uptime
    ) -> (slowAt: Uptime, deadline: Uptime) {
        let index = flights.firstIndex { $0.key == key }
        if let index, let marks = flights[index].marks { return (marks.slowAt, marks.deadline) }
        let (slow, deadline) = configuration.timeouts.milliseconds(peer: rtt, population: population)
        let marks = Flight.Marks(
            slowAt: now.advanced(byMilliseconds: slow), deadline: now.advanced(byMilliseconds: deadline))
        if let index {
            flights[index].marks = marks
            statistics.queries += 1
        }
        return (marks.slowAt, marks.deadline)
    }

    /// The peer is not asked: it backs off, its circuit is open, or no address of it is known.
    public mutating func skipped(_ key: Key, at now: Uptime) -> [Directive] {
        // What was sent can fail, not be skipped.
        guard let index = flights.firstIndex(where: { $0.key == key }), flights[index].marks == nil else { return [] }
        let flight = land(index, as: .skipped)
        remove(flight.distance)
        spent -= 1
        statistics.skipped += 1
        var directives: [Directive] = []
        proceed(at: now, &directives)
        return directives
    }

    /// The peer answered, in time or late, and named these peers. Names beyond `maximumNamed` are ignored.
    public mutating func answered(_ key: Key, naming names: some Sequence<Key>, at now: Uptime) -> [Directive] {
        guard let index = flights.firstIndex(where: { $0.key == key }) else { return [] }
        let flight = land(index, as: .answered)
        mark(flight.distance, as: .answered)
        if flight.marks == nil { statistics.queries += 1 }
        statistics.answers += 1
        statistics.hops = max(statistics.hops, Int(flight.depth))

        var directives: [Directive] = []
        let depth = min(flight.depth, .max - 1) + 1
        var isNearer = false
        var count = 0
        for name in names {
            count += 1
            guard count <= limits.named else { break }
            if consider(name, path: flight.path, depth: depth, &directives) == 0 { isNearer = true }
        }
        statistics.ignored += max(count, names.underestimatedCount) - min(count, limits.named)
        if paths[flight.path].noteAnswer(broughtNearer: isNearer) { statistics.widenings += 1 }
        proceed(at: now, &directives)
        return directives
    }

    /// The query failed. Whatever the class, this lookup does not ask the peer again: retries are the call's own.
    public mutating func failed(_ key: Key, _ failureClass: FailureClass, at now: Uptime) -> [Directive] {
        guard let index = flights.firstIndex(where: { $0.key == key }) else { return [] }
        fail(index, failureClass)
        var directives: [Directive] = []
        proceed(at: now, &directives)
        return directives
    }

    /// Frees the slots of slow queries, gives up those past their deadlines, ends the lookup when its time is over.
    public mutating func tick(at now: Uptime) -> [Directive] {
        var directives: [Directive] = []
        var index = 0
        while index < flights.count {
            let flight = flights[index]
            if let marks = flight.marks, marks.deadline <= now {
                fail(index, .timeout)
                directives.append(.expired(flight.key))
                continue
            }
            if let marks = flight.marks, marks.slowAt <= now, !flight.isSlow {
                flights[index].isSlow = true
                statistics.slow += 1
                paths[flight.path].slowed()
                mark(flight.distance, as: .slow)
            }
            index += 1
        }
        proceed(at: now, &directives)
        return directives
    }

    /// Ends the lookup at once. `closest` keeps what was found.
    public mutating func cancel(at now: Uptime) -> [Directive] {
        guard !isFinished else { return [] }
        var directives: [Directive] = []
        finish(.cancelled, at: now, &directives)
        return directives
    }

    private mutating func fail(_ index: Int, _ failureClass: FailureClass) {
        let flight = land(index, as: .failed)
        remove(flight.distance)
        if flight.marks == nil { statistics.queries += 1 }
        statistics.countFailure(failureClass)
    }

    /// On every path that knows of the peer: it is asked by one, and counts for all.
    mutating func mark(_ distance: Distance, as state: Frontier.State) {
        for path in paths.indices { paths[path].frontier.set(distance, to: state) }
    }

    private mutating func remove(_ distance: Distance) {
        for path in paths.indices { paths[path].frontier.remove(distance) }
    }

    /// Takes a query out of those awaited.
    private mutating func land(_ index: Int, as fate: Fate) -> Flight {
        let flight = flights.remove(at: index)
        fates[flight.key] = fate
        paths[flight.path].ended(wasSlow: flight.isSlow)
        return flight
    }
}
