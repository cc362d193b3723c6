extension RoutingTable {
    /// A promise of the table that does not hold: a fault in the code, never in what it was told.
    public enum InvariantViolation: Hashable, Sendable {
        /// There are no buckets, or more than keys have bits.
        case bucketCount(Int)
        /// The own key is a contact.
        case ownKey(bucket: Int)
        /// A contact's key has bits beyond the width of this network's keys.
        case outsideKeySpace(Key, bucket: Int)
        /// A contact stands in a bucket that its common prefix length does not lead to. Only the last bucket may hold
        /// longer ones than its index.
        case wrongBucket(Key, bucket: Int, commonPrefixLength: Int)
        /// A key occurs twice among the live and the waiting contacts. A key belongs to one bucket, so twice in the
        /// table without ``wrongBucket(_:bucket:commonPrefixLength:)`` is twice in a bucket.
        case duplicate(Key, bucket: Int)
        /// More live contacts than k.
        case tooManyLive(bucket: Int, count: Int)
        /// More waiting contacts than the replacement cache may hold.
        case tooManyReplacements(bucket: Int, count: Int)
        /// The contact was last seen before the one in front of it.
        case order(Key, bucket: Int)
        /// A network group holds more of a bucket than its limit.
        case bucketLimit(NetworkGroup, bucket: Int, count: Int)
        /// A network group holds more of the table than its limit.
        case tableLimit(NetworkGroup, count: Int)
        /// The live contacts recorded for a network group are not those in the buckets.
        case diversity(NetworkGroup, recorded: Int, actual: Int)
        /// The recorded number of live contacts is not the actual one.
        case liveCount(recorded: Int, actual: Int)
    }
}

extension RoutingTable.InvariantViolation: CustomStringConvertible {
    public var description: String {
        switch self {
        case .bucketCount(let count): "the table has \(count) buckets"
        case .ownKey(let bucket): "bucket \(bucket) holds the local key"
        case .outsideKeySpace(let key, let bucket): "bucket \(bucket) holds \(key), which is wider than the key space"
        case .wrongBucket(let key, let bucket, let length):
            "bucket \(bucket) holds \(key), which shares \(length) bits with the local key"
        case .duplicate(let key, let bucket): "bucket \(bucket) holds \(key) twice"
        case .tooManyLive(let bucket, let count): "bucket \(bucket) holds \(count) live contacts"
        case .tooManyReplacements(let bucket, let count): "bucket \(bucket) holds \(count) waiting contacts"
        case .order(let key, let bucket): "bucket \(bucket) holds \(key) behind a contact that was seen after it"
        case .bucketLimit(let group, let bucket, let count):
            "bucket \(bucket) holds \(count) live contacts of network group \(group)"
        case .tableLimit(let group, let count): "the table holds \(count) live contacts of network group \(group)"
        case .diversity(let group, let recorded, let actual):
            "network group \(group) has \(actual) live contacts, of which the index matches \(recorded)"
        case .liveCount(let recorded, let actual): "the table counts \(recorded) live contacts and holds \(actual)"
        }
    }
}
