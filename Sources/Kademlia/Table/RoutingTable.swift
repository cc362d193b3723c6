/// The routing table of one node (Kademlia 2002, sections 2.2, 2.4 and 4.1): a pure value.
///
/// Handlers are told what happened and when, change the value, and return ``Directive``s for the shell to carry out. The
/// table has no clock, no randomness and no I/O of its own, so one implementation runs in a node, in a simulator and in
/// property tests.
///
/// Bucket *i* holds the contacts whose keys share exactly *i* leading bits with the local key; the last bucket holds all
/// that share more. Only that one splits when it is full: it is the one that contains the local key.
///
/// Deviations from the paper, each against a known attack or fault:
/// - A contact that others name is not moved to the tail; only what the peer itself sends moves it.
/// - Live contacts are not displaced by newcomers except those that failed ``Configuration/maximumFailures`` times in a
///   row and, if the newcomer answered us, those that never answered anyone here.
/// - One network group holds a limited share of each bucket and of the table (``DiversityLimits``).
/// - Buckets off the own branch never split (section 2.4's relaxation for unbalanced trees is left out): ``closest(to:count:where:)``
///   is exact over whatever the table holds.
public struct RoutingTable: Hashable, Sendable {
    /// The key of the node whose table this is.
    public let localKey: Key

    public let configuration: Configuration

    /// The buckets by common prefix length with the local key. Never empty; at most ``Configuration/keyBits``.
    public internal(set) var buckets: [KBucket] = [KBucket()]

    /// The number of live contacts.
    public internal(set) var count = 0

    var diversity: Diversity

    /// An empty table of one bucket.
    ///
    /// - Parameter localKey: bits beyond ``Configuration/keyBits`` are cleared.
    public init(localKey: Key, configuration: Configuration = Configuration()) {
        self.localKey = localKey.prefix(configuration.keyBits, followedBy: .zero)
        self.configuration = configuration
        diversity = Diversity(limits: configuration.limits)
    }

    public var isEmpty: Bool { count == 0 }

    /// The number of contacts in all replacement caches. - Complexity: O(buckets)
    public var replacementCount: Int { buckets.reduce(0) { $0 + $1.replacements.count } }

    /// The index of the bucket that `key` belongs to. The own key has the last one's, where it would be.
    public func bucketIndex(of key: Key) -> Int {
        min(localKey.commonPrefixLength(with: key), buckets.count - 1)
    }

    /// The live contact with this key. - Complexity: O(k)
    public func liveContact(_ key: Key) -> Contact? {
        let bucket = buckets[bucketIndex(of: key)]
        return bucket.liveIndex(of: key).map { bucket.live[$0] }
    }

    /// The contact with this key that waits in a replacement cache. - Complexity: O(replacement cache)
    public func waitingContact(_ key: Key) -> Contact? {
        let bucket = buckets[bucketIndex(of: key)]
        return bucket.replacementIndex(of: key).map { bucket.replacements[$0] }
    }

    /// Whether a key has no bits beyond the width of this network's keys.
    func isInKeySpace(_ key: Key) -> Bool {
        key.prefix(configuration.keyBits, followedBy: .zero) == key
    }
}
