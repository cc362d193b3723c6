/// Which contact to ping next while the node runs, and when (geth's table revalidation).
///
/// At drawn moments one contact that is in doubt is asked, so that a table is never out of date by much and never asked
/// all at once. Turns are fair: a contact that does not answer keeps its old date, but not the next turn.
public struct Revalidation: Hashable, Sendable {
    public struct Configuration: Hashable, Sendable {
        /// The mean time between two pings, in milliseconds. Three seconds (geth): a table of 300 contacts that fall
        /// silent is gone through in the fifteen minutes after which silence is doubt.
        public var meanMilliseconds: Int64

        /// The shortest time between two pings of one contact, in milliseconds. Thirty seconds: a table of few contacts
        /// does not ask the same one at every turn.
        public var repeatMilliseconds: Int64

        /// Times of at least one millisecond.
        public init(meanMilliseconds: Int64 = 3000, repeatMilliseconds: Int64 = 30_000) {
            self.meanMilliseconds = min(max(1, meanMilliseconds), .max / 2)
            self.repeatMilliseconds = max(1, repeatMilliseconds)
        }
    }

    public let configuration: Configuration

    /// When to call ``poll(_:at:wall:using:where:)`` next.
    public private(set) var nextTick: Uptime

    /// When each contact in doubt was last asked. No larger than the table.
    private var askedAt: [Key: Uptime] = [:]

    public init(
        configuration: Configuration = Configuration(), at now: Uptime,
        using generator: inout some RandomNumberGenerator
    ) {
        self.configuration = configuration
        nextTick = now
        nextTick = draw(after: now, using: &generator)
    }

    /// The contact to ping now, if it is time and any is in doubt: the one that was asked the longest ago; of those
    /// never asked, the one that was silent for longest. Report the outcome to the table.
    ///
    /// - Parameters:
    ///   - now: what `nextTick` is compared with; `wall` is what the table's stamps are.
    ///   - isAllowed: whether a contact may be asked at all, by its backoff. One that may not keeps its turn.
    /// - Complexity: O(live contacts)
    public mutating func poll(
        _ table: RoutingTable, at now: Uptime, wall: Instant, using generator: inout some RandomNumberGenerator,
        where isAllowed: (Key) -> Bool = { _ in true }
    ) -> Key? {
        guard now >= nextTick else { return nil }
        nextTick = draw(after: now, using: &generator)

        let doubtful = table.questionable(at: wall)
        var asked: [Key: Uptime] = [:]
        var choice: (turn: Uptime, lastSeen: Instant, key: Key)?
        for contact in doubtful {
            let turn = askedAt[contact.key]
            if let turn { asked[contact.key] = turn }
            if let turn, now.millisecondsSince(turn) < configuration.repeatMilliseconds { continue }
            let claim = (turn ?? Uptime(milliseconds: .min), contact.lastSeen, contact.key)
            if let choice, choice <= claim { continue }
            if isAllowed(contact.key) { choice = claim }
        }
        askedAt = asked
        guard let choice else { return nil }
        askedAt[choice.key] = now
        return choice.key
    }

    /// Uniform, with the mean that is configured.
    private func draw(after now: Uptime, using generator: inout some RandomNumberGenerator) -> Uptime {
        now.advanced(byMilliseconds: Int64.random(in: 1...2 * configuration.meanMilliseconds, using: &generator))
    }
}
