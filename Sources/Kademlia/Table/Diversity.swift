/// How many live contacts one network group may hold: the price of an eclipse is addresses in many networks, not keys,
/// which cost nothing.
public struct DiversityLimits: Hashable, Sendable {
    /// The most live contacts of one group in one bucket. Two, of a k of 20: a whole /24 holds a tenth of a bucket.
    public var perBucket: Int

    /// The most live contacts of one group in the table. Ten: a node meets some 15 to 20 buckets that fill, so this
    /// binds before the limit per bucket does in all of them.
    public var perTable: Int

    public init(perBucket: Int = 2, perTable: Int = 10) {
        self.perBucket = max(1, perBucket)
        self.perTable = max(1, perTable)
    }
}

/// The live contacts of each network group. Empty when there are no limits; contacts without a group are not counted.
///
/// It holds keys rather than counts: at most ``DiversityLimits/perTable`` in each group, so that the one who must make
/// way in a full group is found without a walk over the table.
struct Diversity: Hashable, Sendable {
    let limits: DiversityLimits?

    private(set) var members: [NetworkGroup: Set<Key>] = [:]

    init(limits: DiversityLimits?) { self.limits = limits }

    mutating func insert(_ contact: Contact) {
        guard limits != nil, let group = contact.networkGroup else { return }
        members[group, default: []].insert(contact.key)
    }

    mutating func remove(_ contact: Contact) {
        guard let group = contact.networkGroup, members[group] != nil else { return }
        members[group]?.remove(contact.key)
        if members[group]?.isEmpty == true { members[group] = nil }
    }

    func count(in group: NetworkGroup) -> Int { members[group]?.count ?? 0 }

    /// The live contacts of `group`, in numeric order: no decision follows the order of a set.
    func keys(in group: NetworkGroup) -> [Key] { members[group]?.sorted() ?? [] }

    /// Why one more contact of `group` may not live in `bucket`; nil when it may.
    ///
    /// - Parameter leaving: a live contact of that bucket that is about to make way.
    /// - Complexity: O(k)
    func refusal(of group: NetworkGroup?, in bucket: KBucket, leaving: Contact? = nil) -> RoutingTable.Refusal? {
        guard let limits, let group else { return nil }
        let freed = leaving?.networkGroup == group ? 1 : 0
        if bucket.liveCount(in: group) - freed >= limits.perBucket { return .bucketLimit(group) }
        if count(in: group) - freed >= limits.perTable { return .tableLimit(group) }
        return nil
    }
}
