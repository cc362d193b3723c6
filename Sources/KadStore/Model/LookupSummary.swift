import Kademlia

/// What remains of a finished lookup: what it cost and how it ended. Never what was looked for.
public struct LookupSummary: Hashable, Sendable {
    /// The local node that looked; nil when the store does not have it (any more).
    public var identity: Int64?
    public var finishedAt: Instant
    public var reason: Lookup.FinishReason
    /// From start to end.
    public var milliseconds: Int64
    /// Peers that were asked, that answered, and that failed, in any way and by a timeout.
    public var queries, answers, failures, timeouts: Int
    /// Peers that were not asked because history speaks against it.
    public var skipped: Int
    /// Queries that gave their place to others before they were answered.
    public var slow: Int
    /// How often the store was asked for more peers.
    public var refills: Int
    /// The longest chain of peers, each named by the one before.
    public var hops: Int
    /// Peers that were named or offered, those of them that entered the frontier, distances computed, and the most peers
    /// that the frontier held.
    public var offered, entered, distances, peakFrontier: Int

    public init(
        identity: Int64? = nil, finishedAt: Instant, reason: Lookup.FinishReason, milliseconds: Int64 = 0,
        queries: Int = 0,
        answers: Int = 0, failures: Int = 0, timeouts: Int = 0, skipped: Int = 0, slow: Int = 0, refills: Int = 0,
        hops: Int = 0, offered: Int = 0, entered: Int = 0, distances: Int = 0, peakFrontier: Int = 0
    ) {
        self.identity = identity
        self.finishedAt = finishedAt
        self.reason = reason
        self.milliseconds = milliseconds
        self.queries = queries
        self.answers = answers
        self.failures = failures
        self.timeouts = timeouts
        self.skipped = skipped
        self.slow = slow
        self.refills = refills
        self.hops = hops
        self.offered = offered
        self.entered = entered
        self.distances = distances
        self.peakFrontier = peakFrontier
    }

    /// The most summaries that are kept; the oldest go first.
    public static let maximumCount = 1_024

    /// Why it can be of no lookup, in words; nil for a sound one. What a check of a file looks for, too.
    var contradiction: String? {
        let counts = [
            queries, answers, failures, timeouts, skipped, slow, refills, hops, offered, entered, distances,
            peakFrontier,
        ]
        return milliseconds < 0 || counts.contains { $0 < 0 } ? "a lookup of negative cost" : nil
    }
}

/// All lookups that ended for one reason, added up. Sums stay at the largest number rather than overflow.
public struct LookupTotals: Hashable, Sendable {
    public var reason: Lookup.FinishReason
    public var lookups: Int
    public var milliseconds: Int64
    public var queries, answers, failures, timeouts, skipped: Int

    public init(
        reason: Lookup.FinishReason, lookups: Int = 0, milliseconds: Int64 = 0, queries: Int = 0, answers: Int = 0,
        failures: Int = 0, timeouts: Int = 0, skipped: Int = 0
    ) {
        self.reason = reason
        self.lookups = lookups
        self.milliseconds = milliseconds
        self.queries = queries
        self.answers = answers
        self.failures = failures
        self.timeouts = timeouts
        self.skipped = skipped
    }

    mutating func add(_ summary: LookupSummary) {
        let (sum, overflow) = milliseconds.addingReportingOverflow(summary.milliseconds)
        lookups = lookups.addingSaturated(1)
        milliseconds = overflow ? .max : sum
        queries = queries.addingSaturated(summary.queries)
        answers = answers.addingSaturated(summary.answers)
        failures = failures.addingSaturated(summary.failures)
        timeouts = timeouts.addingSaturated(summary.timeouts)
        skipped = skipped.addingSaturated(summary.skipped)
    }

    var contradiction: String? {
        [lookups, Int(clamping: milliseconds), queries, answers, failures, timeouts, skipped].contains { $0 < 0 }
            ? "sums of lookups that are negative" : nil
    }
}
