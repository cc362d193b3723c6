import Crypto
import Kademlia

extension Store {
    /// The most held failures that are kept; the oldest go first.
    public static let maximumHeldFailures = 4_096

    /// The failures that the outage guard held, in the order of their keys: what a guard starts from.
    public func heldFailures() throws(StoreError) -> [OutageGuard.Held] {
        try read { try $0.heldFailures() }
    }

    /// The outage guard's witnesses, and when a canary was last asked.
    public func witnesses() throws(StoreError) -> (witnesses: [OutageGuard.Witness], canaryAt: Instant?) {
        try read { try $0.witnesses() }
    }

    /// When nodes were running.
    public func sessions() throws(StoreError) -> OnlineTime {
        try read { try $0.sessions() }
    }

    /// The lookups that the store remembers.
    public func lookupStatistics() throws(StoreError) -> LookupHistory {
        try read { try $0.lookupHistory() }
    }

    /// How many peers the store has, as of the last commit of any process: what is queued is not in it.
    ///
    /// - Complexity: O(1): the number is kept. A program other than this software that adds or deletes peers leaves it
    ///   wrong until ``recount()``; a check says so.
    public func peerCount() throws(StoreError) -> Int {
        try readers.withReader { try $0.peerCount() }
    }

    /// How many peers the store has, by counting them: right whatever other programs did.
    ///
    /// - Complexity: O(n): 33 ms for a million peers in memory.
    public func countPeers() throws(StoreError) -> Int {
        try readers.withReader { Int(try $0.connection.integer("SELECT count(*) FROM peer")) }
    }

    /// A few peers that follow a place of the key space, in key order, around the end if need be. At a random place, a few
    /// peers drawn at random: a peer is drawn with the share of the key space that lies before it.
    ///
    /// - Parameter count: 1 to ``maximumPageCount``.
    /// - Returns: `count` peers, or all there are; fewer where rows are damaged or forgotten peers wait for their commit.
    /// - Complexity: O(log n + count), however many peers there are.
    public func sample(at key: Key, count: Int) throws(StoreError) -> [PeerRecord] {
        let count = min(max(1, count), Self.maximumPageCount)
        let start = key.lowerBound(prefix: network.keyBits)
        return try read { view in
            var found = Array(try view.records(after: start.predecessor, limit: count).page.records.prefix(count))
            if found.count < count {
                let rest = try view.records(after: nil, limit: count - found.count).page.records
                found += rest.prefix { $0.key < start }.prefix(count - found.count)
            }
            return found
        }
    }

    /// The place of a peer in the order that this file's nodes probe in: the same at every start, and another in every
    /// file, so that the nodes of a fleet do not dial alike and nobody can tell whom one dials first. A keyed hash
    /// (HMAC-SHA256) of the key under the file's salt, which stays here.
    public func probeOrder(of key: Key) -> UInt64 {
        var hash = HMAC<SHA256>(key: salt)
        hash.update(data: Array("probe order".utf8))
        key.withBytes { hash.update(data: $0) }
        return hash.finalize().prefix(8).reduce(0) { $0 << 8 | UInt64($1) }
    }
}
