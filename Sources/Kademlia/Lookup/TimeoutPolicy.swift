/// How long a query may take before its slot is given to another, and before it is given up.
///
/// Two marks instead of one timeout. At the slow mark nothing is lost yet: the slot is freed, a late answer still counts.
/// So the slow mark may be tight, and one silent peer costs a lookup a few round trips instead of a timeout. At the
/// deadline the query has failed.
///
/// The slow mark is Jacobson's retransmission timeout, `SRTT + 4 RTTVAR` (RFC 6298, section 2): beyond it an answer is
/// unlikely. Deviations: the floor is 100 ms instead of a second, because a needless mark costs one query and not a
/// network's congestion; the ceiling is 2 s. The deadline is four times as long: where no connection is open, transport,
/// security and multiplexing take about three round trips before the query's own.
///
/// An unknown peer gets what the whole population would: half of all peers answer within the population's mean, and its
/// variation is wide. Without a population it gets 1 s and 5 s.
public struct TimeoutPolicy: Hashable, Sendable {
    /// The bounds of the slow mark, in milliseconds.
    public var minimumSlow, maximumSlow: Int64
    /// The bounds of the deadline, in milliseconds.
    public var minimumDeadline, maximumDeadline: Int64
    /// The deadline in slow marks.
    public var deadlineFactor: Int64
    /// For a peer of which nothing is known, in a population of which nothing is known.
    public var unknownSlow, unknownDeadline: Int64

    public init(
        minimumSlow: Int64 = 100, maximumSlow: Int64 = 2_000, minimumDeadline: Int64 = 1_000,
        maximumDeadline: Int64 = 5_000, deadlineFactor: Int64 = 4, unknownSlow: Int64 = 1_000,
        unknownDeadline: Int64 = 5_000
    ) {
        self.minimumSlow = minimumSlow
        self.maximumSlow = maximumSlow
        self.minimumDeadline = minimumDeadline
        self.maximumDeadline = maximumDeadline
        self.deadlineFactor = deadlineFactor
        self.unknownSlow = unknownSlow
        self.unknownDeadline = unknownDeadline
    }

    /// Milliseconds from the sending of a query to its two marks. The deadline is never before the slow mark, and neither
    /// is before the sending.
    public func milliseconds(
        peer: RTTEstimate?, population: RTTEstimate?
    ) -> (slow: Int64, deadline: Int64) {
        guard let estimate = peer ?? population else {
            let slow = max(0, unknownSlow)
            return (slow, max(slow, unknownDeadline))
        }
        let smoothed = Self.inRange(estimate.smoothed)
        let variation = Self.inRange(estimate.variation)
        let timeout = (smoothed + 4 * variation + 999) / 1_000
        let slow = max(0, min(max(minimumSlow, timeout), maximumSlow))
        let (product, overflow) = slow.multipliedReportingOverflow(by: max(1, deadlineFactor))
        let deadline = min(max(minimumDeadline, overflow ? .max : product), maximumDeadline)
        return (slow, max(slow, deadline))
    }

    private static func inRange(_ microseconds: Int64) -> Int64 {
        min(max(0, microseconds), RTTEstimate.maximumSample)
    }
}
