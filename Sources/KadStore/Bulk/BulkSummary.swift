import Kademlia

/// How foreign records are sorted and merged.
public struct BulkOptions: Sendable {
    /// Whether foreign successes (last ok, round-trip times, counters) count as our own.
    public var trustsHistory = false
    /// Counts what would change, and changes nothing.
    public var isDryRun = false
    /// The time of the load: what peers without stamps of their own are first seen at.
    public var now: Instant
    /// Records are sorted in memory up to about this many bytes, in temporary files beyond it.
    public var memoryLimit = 48 << 20
    /// Rows of one transaction: about 2 MiB of log, some 40 ms in which other writers wait.
    var chunkRows = 16_384

    public init(now: Instant) { self.now = now }
}

/// What a bulk load did.
public struct BulkSummary: Hashable, Sendable {
    public struct Counts: Hashable, Sendable {
        public var added = 0
        public var updated = 0
        public var unchanged = 0

        public init() {}

        public var total: Int { added + updated + unchanged }

        /// Counts a record by what the load made of it.
        package mutating func note<Record: Equatable>(_ stored: Record?, _ merged: Record?) {
            if stored == nil { added += 1 } else if stored == merged { unchanged += 1 } else { updated += 1 }
        }
    }

    public var peers = Counts()
    public var candidates = Counts()
    /// Peers whose rows in the store are damaged: what was to be merged into them was left out.
    public var damagedPeers = 0
    /// Candidates, likewise.
    public var damagedCandidates = 0

    public init() {}
}
