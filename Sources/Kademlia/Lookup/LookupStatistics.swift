/// What a lookup did: what it cost its peers, its user and its machine.
public struct LookupStatistics: Hashable, Sendable {
    /// Queries that were sent. Each ends as an answer, a failure or abandoned.
    public var queries = 0
    public var answers = 0
    /// Queries that failed, timeouts included.
    public var failures = 0
    /// Queries that were still awaited when the lookup ended.
    public var abandoned = 0
    /// Peers that were due but passed over: backing off, circuit open, no address.
    public var skipped = 0
    /// Queries that gave up their slot at their slow mark, whatever became of them.
    public var slow = 0
    /// Times that the store was asked for more peers.
    public var refills = 0
    /// Times that a stall made the lookup wider.
    public var widenings = 0

    /// The longest chain of answers: 1 when only peers answered that were known at the start.
    public var hops = 0

    /// Peers that were offered by answers, refills and from outside, the same one as often as it was. Names beyond what
    /// one answer may bring are not in it.
    public var offered = 0
    /// Names that were ignored because their answer held more than it may. A lower bound when an answer is a sequence
    /// of unknown length.
    public var ignored = 0
    /// Offered peers that were new and near enough to be kept.
    public var entered = 0
    /// Distances that were computed: one for each offered peer, none later.
    public var distances = 0
    /// The most peers that were kept at once, over all paths.
    public var peakFrontier = 0
    /// The most queries that held a slot at once.
    public var peakActive = 0

    /// From the start to the end, once there is one.
    public var milliseconds: Int64 = 0
    public var reason: Lookup.FinishReason?

    /// By raw value of the class; empty while nothing failed.
    private var failuresByClass: [Int] = []

    public init() {}

    public func failures(of failureClass: FailureClass) -> Int {
        let index = Int(failureClass.rawValue)
        return index < failuresByClass.count ? failuresByClass[index] : 0
    }

    public var timeouts: Int { failures(of: .timeout) }

    public mutating func countFailure(_ failureClass: FailureClass) {
        failures += 1
        let index = Int(failureClass.rawValue)
        while failuresByClass.count <= index { failuresByClass.append(0) }
        failuresByClass[index] += 1
    }
}
