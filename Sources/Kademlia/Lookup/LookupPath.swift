/// One of the disjoint paths of a lookup: the peers it knows of, and how many it asks at once. An ordinary lookup has one.
struct LookupPath: Sendable {
    var frontier: Frontier

    /// The queries that may hold a slot: `base` of them, more after a stall.
    private(set) var width: Int
    private let base, widest, stall, step: Int
    private let awaitedLimit: Int

    /// Queries that hold a slot: about to be sent, or awaited and not slow.
    private(set) var active = 0
    /// Queries about to be sent or awaited, slow ones included.
    private(set) var awaited = 0
    /// Answers since the last that brought a nearer peer.
    private var idleAnswers = 0

    /// The open request to the store.
    private(set) var refill: Lookup.RefillToken?

    init(_ limits: Lookup.Limits) {
        frontier = Frontier(capacity: limits.capacity, answeredLimit: max(limits.k, limits.stop))
        base = limits.width
        width = limits.width
        widest = limits.widest
        stall = limits.stall
        step = limits.step
        awaitedLimit = limits.awaited
    }

    // MARK: What next

    /// The nearest peer to ask now.
    ///
    /// Only among the `window` nearest, as the paper does; a slow peer may well be dead, so one more is asked for each.
    /// Only up to the horizon: beyond it, the store may hold a nearer one.
    ///
    /// - Complexity: O(frontier)
    func next(within window: Int) -> Frontier.Entry? {
        guard active < width, awaited < awaitedLimit else { return nil }
        var standing = 0
        for entry in frontier.entries where entry.state != .slow {
            guard standing < window, frontier.isComplete(upTo: entry.distance) else { return nil }
            if entry.state == .waiting { return entry }
            standing += 1
        }
        return nil
    }

    /// Whether the `count` nearest peers that have not failed have answered, or all there are.
    func isSettled(_ count: Int) -> Bool {
        for entry in frontier.entries.prefix(count) {
            guard entry.state == .answered, frontier.isComplete(upTo: entry.distance) else { return false }
        }
        return frontier.entries.count >= count || frontier.horizon == .max
    }

    /// How many peers to ask the store for: none while `window` and one for each slow peer are there, else a window more
    /// than that takes, so that a few failures need no second reading. Never more than there is room for: what does not
    /// fit would have to be read again.
    func shortage(of window: Int) -> Int {
        guard refill == nil, frontier.horizon != .max else { return 0 }
        let complete = frontier.completeCount
        let needed = window + awaited - active
        guard complete < needed else { return 0 }
        return min(needed + window - complete, frontier.room)
    }

    // MARK: What happened

    mutating func asked() {
        active += 1
        awaited += 1
    }

    mutating func slowed() { active -= 1 }

    mutating func ended(wasSlow: Bool) {
        awaited -= 1
        if !wasSlow { active -= 1 }
    }

    /// - Returns: whether the path became wider.
    mutating func noteAnswer(broughtNearer: Bool) -> Bool {
        guard !broughtNearer else {
            idleAnswers = 0
            width = base
            return false
        }
        idleAnswers += 1
        guard idleAnswers >= stall, width < widest else { return false }
        idleAnswers = 0
        width = min(widest, width + step)
        return true
    }

    mutating func beginRefill(_ token: Lookup.RefillToken) {
        refill = token
        frontier.beginRefill()
    }

    /// A reading that did not get beyond its beginning found the end: else the same would be asked for without end.
    mutating func endRefill(reached: Distance?) {
        guard let token = refill else { return }
        refill = nil
        var end = reached ?? .max
        if let after = token.after, end <= after { end = .max }
        frontier.endRefill(reached: end)
    }
}
