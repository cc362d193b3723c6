import Kademlia
import Multiformats

/// What one look at a store shows that somebody may be writing (``StoreWatch/look()``).
public struct Glance: Sendable {
    /// A peer that has just answered or failed.
    public struct Change: Hashable, Sendable {
        public enum Outcome: Hashable, Sendable {
            /// With the smoothed round-trip time in microseconds, where there is one.
            case answered(rtt: Int64?)
            case failed(FailureClass)
        }

        public let key: Key
        /// Nil where the row cannot be read.
        public let id: PeerID?
        public let outcome: Outcome
        /// When it happened, as the node recorded it.
        public let at: Instant
    }

    /// Peers, as of the last commit.
    public var peers = 0
    /// Failures that do not count yet, at most ``Store/maximumHeldFailures``.
    public var heldFailures = 0
    /// All lookups in sums, the latest one by one.
    public var lookups = LookupHistory()
    /// When a process that has the store open committed last; nil where none does.
    public var lastCommit: Instant?
    /// The database file, and its write-ahead log.
    public var fileBytes: Int64 = 0
    public var logBytes: Int64 = 0

    // Since the look before:

    /// Commits, and pages that they wrote to the log.
    public var commits = 0
    public var pages = 0
    /// Answers and failures, at least: several of one peer within one commit may count as one.
    public var answers = 0
    public var failures = 0
    public var failuresByClass: [FailureClass: Int] = [:]
    /// The latest answers and failures, newest first, at most ``StoreWatch/maximumChanges``.
    public var changes: [Change] = []
    /// Whether everything that changed was looked at: not so when more pages changed than one look reads, or when the log
    /// began anew.
    public var isComplete = true
}
