/// What the routing table keeps of a peer: enough to maintain a bucket, and nothing else.
///
/// A peer is its key. Identifiers and addresses belong to the store, which maps keys to them.
public struct Contact: Hashable, Sendable {
    /// The peer's point in the key space: its identity here.
    public let key: Key

    /// The network group of the address that last answered, or that the peer was first named with; nil when it is
    /// unknown, and then no diversity limit applies.
    public internal(set) var networkGroup: NetworkGroup?

    /// When the table first learned of the peer.
    public internal(set) var firstSeen: Instant

    /// When the peer itself last sent something; for a peer that never did, when it was first named.
    public internal(set) var lastSeen: Instant

    /// When the peer last answered a request of ours; nil when it never did.
    public internal(set) var lastOK: Instant?

    /// Whether the peer answered since the node started. A restored contact answered in an earlier life at best: see
    /// ``RoutingTable/markAllUnverified()``.
    public internal(set) var isVerified: Bool

    /// Requests that failed in a row since the last answer.
    public internal(set) var consecutiveFailures: Int

    /// A contact as a file kept it. Inconsistent values are corrected: a contact that never answered is not verified,
    /// and a negative count of failures is zero.
    public init(
        key: Key, networkGroup: NetworkGroup?, firstSeen: Instant, lastSeen: Instant, lastOK: Instant? = nil,
        isVerified: Bool = false, consecutiveFailures: Int = 0
    ) {
        self.key = key
        self.networkGroup = networkGroup
        self.firstSeen = firstSeen
        self.lastSeen = lastSeen
        self.lastOK = lastOK
        self.isVerified = isVerified && lastOK != nil
        self.consecutiveFailures = max(0, consecutiveFailures)
    }

    /// A peer met now for the first time.
    init(key: Key, networkGroup: NetworkGroup?, metAt now: Instant) {
        self.init(key: key, networkGroup: networkGroup, firstSeen: now, lastSeen: now)
    }
}

extension Contact {
    /// How much a contact has shown of itself. It ranks contacts for one place; age decides between equals.
    public enum Standing: Int, Comparable, Hashable, Sendable {
        /// Only named by others, or by itself: anyone can make up any number of these.
        case unproven
        /// It answered before the node last started.
        case answeredBefore
        /// It answered since the node started.
        case verified

        public static func < (left: Standing, right: Standing) -> Bool { left.rawValue < right.rawValue }
    }

    public var standing: Standing {
        if isVerified { return .verified }
        return lastOK == nil ? .unproven : .answeredBefore
    }

    /// Whether the table should ask the contact before it trusts it: unverified, failing, or silent for `threshold`
    /// milliseconds. A contact dated in the future is questionable too: its date says nothing.
    public func isQuestionable(at now: Instant, silentFor threshold: Int64) -> Bool {
        guard isVerified, consecutiveFailures == 0 else { return true }
        let silence = now.millisecondsSince(lastSeen)
        return silence < 0 || silence >= threshold
    }

    mutating func recordAnswer(from group: NetworkGroup?, at now: Instant) {
        networkGroup = group
        lastSeen = now
        lastOK = now
        isVerified = true
        consecutiveFailures = 0
    }

    mutating func recordFailure() {
        if consecutiveFailures < .max { consecutiveFailures += 1 }
    }
}
