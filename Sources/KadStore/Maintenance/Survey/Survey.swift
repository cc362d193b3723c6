import Kademlia

/// What a store holds, and how it is spread: over time, over the key space, over networks and sources.
///
/// Bounded whatever the store holds: some 20 MB while it is made, a few hundred numbers afterwards.
public struct Survey: Sendable {
    /// A part of a histogram: from `lower` to below `upper`.
    public struct Bin: Hashable, Sendable {
        public let lower, upper: Int64
        public let count: Int
    }

    /// How a peer is doing, the best first.
    public enum Health: Int, CaseIterable, Sendable {
        /// Answered within ``Survey/freshMilliseconds``, and has not failed since.
        case fresh
        /// Answered before that, and has not failed since.
        case answered
        /// Neither answered nor failed.
        case unverified
        /// Failed since it last answered.
        case failing
    }

    /// Failures of one class.
    public struct Failures: Sendable {
        public let failureClass: FailureClass
        /// Failures in all; stays at the largest number rather than overflow.
        public internal(set) var count = 0
        /// Addresses of peers (or peers as a whole) that failed so: each has one first and one last time.
        public internal(set) var places = 0
        public internal(set) var first, last: TimeHistogram
    }

    /// Peers with a backoff, by the class of their last counted failure.
    public struct Backoffs: Hashable, Sendable {
        public let failureClass: FailureClass
        /// Breaker closed: the last failure's wait is not over; or it is.
        public internal(set) var waiting = 0
        public internal(set) var ready = 0
        /// Breaker open: not to be dialled; or due for a trial.
        public internal(set) var open = 0
        public internal(set) var trialDue = 0
        public internal(set) var halfOpen = 0
    }

    /// Peers of one network group, or of one source.
    public struct Share<Group: Hashable & Sendable>: Hashable, Sendable {
        public let group: Group
        public let count: Int
    }

    /// The peers that share a prefix with a key, as a bucket would see them.
    public struct Range: Sendable {
        /// The common prefix length; the last range holds everything deeper too.
        public internal(set) var index: Int
        public internal(set) var isLast = false
        public internal(set) var health = [Int](repeating: 0, count: Health.allCases.count)
        public internal(set) var newest: Instant?
        public internal(set) var groups: Concentration
        public internal(set) var largestGroup: Share<NetworkGroup>?
        public internal(set) var sources: Concentration
        public internal(set) var largestSource: Share<String>?

        public var count: Int { health.reduce(0, +) }
    }

    /// The same counts as ``Store/statistics()`` gives, of the same pass.
    public internal(set) var statistics: Statistics
    public let takenAt: Instant
    /// Rows that cannot be read in full: what can be read of them is counted.
    public internal(set) var damagedRows: Int

    /// When peers were first seen, last seen, and last answered.
    public internal(set) var firstSeen, lastSeen, lastOK: TimeHistogram
    /// Peers that were seen on a day (days since 1970, UTC), as far back as each is remembered: 32 days before it was last seen.
    public internal(set) var seenOnDay: [Int64: Int]
    public internal(set) var rtt: [Bin]
    /// How long peers still have to wait, in milliseconds.
    public internal(set) var waits: [Bin]
    public internal(set) var failures: [Failures]
    public internal(set) var backoffs: [Backoffs]
    /// How long the latest lookups took, in milliseconds.
    public internal(set) var lookupDurations: [Bin]

    /// Peers by the /24 or /48 of the address that last answered, or of their first. A private store's too: there
    /// no limit follows from it.
    public internal(set) var groups: Concentration
    public internal(set) var largestGroups: [Share<NetworkGroup>]
    /// Peers without an address that has one.
    public internal(set) var peersWithoutGroup: Int
    public internal(set) var sources: Concentration
    /// The key space as a table around a key would cut it; empty unless a key was asked for.
    public internal(set) var ranges: [Range]

    /// How long an answer counts as fresh: a day.
    public static let freshMilliseconds: Int64 = 24 * 3_600 * 1_000
    /// Groups that are named.
    public static let topCount = 12

    /// How a peer or contact with this history is doing.
    public static func health(lastOK: Instant?, isFailing: Bool, at now: Instant) -> Health {
        if isFailing { return .failing }
        guard let lastOK else { return .unverified }
        return now.millisecondsSince(lastOK) <= freshMilliseconds ? .fresh : .answered
    }
}

extension Store {
    /// Counts everything, and how it is spread. Reads the whole store in short pages, on a thread of the store's own:
    /// the log is never pinned, memory does not depend on the number of peers.
    ///
    /// Network groups are counted exactly up to 131,072 different ones, strings up to 65,536 (within each range up to 1,024
    /// and 256); beyond that see ``Concentration``.
    ///
    /// - Parameters:
    ///   - key: also cut the key space around it.
    ///   - progress: called now and then with the number of peers that are done.
    /// - Complexity: O(n).
    public func survey(
        around key: Key? = nil, progress: (@Sendable (Int) -> Void)? = nil
    ) async throws(StoreError) -> Survey {
        if let writer { _ = try await writer.perform { try $0.commitPending() } }
        let now = options.now()
        let k = tableConfiguration.k
        return try await maintain { reader, cancellation in
            var tally = PeerTally(
                now: now, survey: SurveyTally(now: now, around: key, keyBits: reader.network.keyBits))
            while try tally.page(reader) {
                try cancellation.check(done: tally.peerCount)
                progress?(tally.peerCount)
            }
            return try tally.survey(reader, k: k)
        }
    }
}
