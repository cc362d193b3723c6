/// An iterative search for the k live peers nearest to a target (Kademlia, section 2.3): a pure value that decides whom
/// to ask next. It has no clock, no I/O and no randomness: every handler is told the time and returns directives.
///
/// From beginning to end:
/// - ``start(at:)`` asks the store for the nearest known peers, ``refilled(_:with:reached:at:)`` brings them.
/// - Up to `alpha` queries are in flight. There are no rounds: a query leaves as soon as one ends. A query past its slow
///   mark frees its slot and is still awaited until its deadline (``TimeoutPolicy``).
/// - A peer is waiting, asked, slow or answered in the ``Frontier``; once it failed, expired or was skipped it is gone
///   for this lookup.
/// - Answers that bring nothing nearer, as many in a row as there are slots, widen the lookup (``Widening``).
/// - When failures leave too few peers, the store is read on, behind the horizon up to which everything is known.
/// - The lookup is complete when the nearest `stop` peers that have not failed have all answered, and the store holds none
///   between them.
///
/// Deviations from the paper: no rounds; slow marks; failed peers are replaced from the store; k + more peers may have
/// to answer (`stop`); an end on convergence as an option (`beta`, go-libp2p); disjoint paths (S/Kademlia) that count a
/// peer asked by another path as their own, so that d paths do not ask d k peers.
///
/// Memory is O(paths · k) and what was asked, bounded by `maximumQueries` and `maximumSkipped`; it does not depend on how
/// many peers were offered or exist. A handler costs O(paths · k) and, for each offered peer, one XOR and one comparison
/// when it is too far, O(k) when it enters.
///
/// Handlers that are told of unknown or ended queries, or after the end, do nothing.
public struct Lookup: Sendable {
    public let target: Key
    /// The node's own key: never a candidate.
    public let localKey: Key?
    public let configuration: Configuration

    let limits: Limits

    /// The round-trip times of all peers together: what is expected of a peer without an estimate of its own. It may be
    /// learnt while the lookup runs, and counts for the queries that are sent from then on.
    public var population: RTTEstimate?

    var paths: [LookupPath]
    /// Every peer that was ever asked or skipped. Only looked up, never iterated: the order of a dictionary differs
    /// from process to process.
    var fates: [Key: Fate] = [:]
    /// In the order of their directives.
    var flights: [Flight] = []

    var startedAt: Uptime?
    var refillCount = 0
    /// The path that the next peer from the store or from outside goes to.
    var dealer = 0
    /// Queries that count towards the limit: sent or about to be.
    var spent = 0

    /// What the lookup did so far.
    public internal(set) var statistics = LookupStatistics()

    /// - Parameters:
    ///   - localKey: never asked, never a result; nil for a client that has none.
    ///   - population: what is known of all peers together at the start.
    public init(
        target: Key, localKey: Key?, configuration: Configuration = Configuration(), population: RTTEstimate? = nil
    ) {
        self.target = target
        self.localKey = localKey
        self.configuration = configuration
        self.population = population
        let limits = Limits(configuration)
        self.limits = limits
        // Each its own: copies of one would share storage and lose what is reserved on the first change.
        paths = (0..<limits.paths).map { _ in LookupPath(limits) }
        flights.reserveCapacity(limits.awaited * limits.paths)
    }

    /// What became of a peer that is not simply waiting.
    enum Fate: Sendable {
        case awaited, answered, failed, skipped
    }

    /// A query that is about to be sent or awaited.
    struct Flight: Sendable {
        let key: Key
        let distance: Distance
        let depth: UInt16
        let path: Int
        /// Nil until it is sent.
        var marks: Marks?
        var isSlow = false

        struct Marks: Sendable {
            let slowAt, deadline: Uptime
        }

        /// When it next needs a look.
        var due: Uptime? { marks.map { isSlow ? $0.deadline : $0.slowAt } }
    }
}

// MARK: - What it knows

extension Lookup {
    /// The nearest peers that have answered so far, at most k, nearest first.
    ///
    /// - Complexity: O(m log m) for the m = O(paths · k) peers that are kept.
    public var closest: [Key] {
        var nearest = paths[0].frontier.entries.filter { $0.state == .answered }.map(\.distance)
        if paths.count > 1 {
            let others = paths.dropFirst().flatMap { $0.frontier.entries.filter { $0.state == .answered } }
            nearest = Set(nearest + others.map(\.distance)).sorted()
        }
        return nearest.prefix(limits.k).map(target.advanced(by:))
    }

    /// The same for each path by itself: what it learnt on its own. An adversary that can place k peers nearer to the
    /// target than any honest one owns ``closest``; callers that can tell a good result (a signed value) look here.
    ///
    /// A path that ran short was refilled from the store, which holds what the others learnt, too.
    public var closestByPath: [[Key]] {
        paths.map { path in
            path.frontier.entries.lazy.filter { $0.state == .answered }.prefix(limits.k)
                .map { target.advanced(by: $0.distance) }
        }
    }

    /// The peers whose queries are awaited or about to be sent, in the order of their directives.
    public var inFlight: [Key] { flights.map(\.key) }

    /// Whether a query of this peer is awaited or about to be sent.
    public func isAwaiting(_ key: Key) -> Bool { flights.contains { $0.key == key } }

    public var finishReason: FinishReason? { statistics.reason }
    public var isFinished: Bool { finishReason != nil }

    /// When ``tick(at:)`` has something to do, unless another handler is called before; nil before the start and after the
    /// end.
    public var nextTick: Uptime? {
        guard let endsAt, !isFinished else { return nil }
        return flights.reduce(endsAt) { earliest, flight in min(earliest, flight.due ?? earliest) }
    }

    var endsAt: Uptime? { startedAt?.advanced(byMilliseconds: limits.milliseconds) }
}
