import KadStore
import Kademlia
import Multiformats

/// The nodes that are most worth asking, of a stream of any length: kept in memory that depends on the limit alone.
///
/// Programs that read a list of nodes take the first of it, or ask them one after the other, so the order decides how fast
/// they are connected: who answered lately first; then whom nothing is known against, heard of lately first; then who failed
/// since it last answered. Among equals a hash decides and not the key, so that what is kept of a freshly imported table
/// is spread over all of it, and is the same each time.
///
/// - Complexity: O(log limit) a node on average.
struct BestNodes {
    struct Node {
        let rank: Rank
        /// Nil where ids are not asked for.
        let id: PeerID?
        /// One of each family at most, in the order to dial in.
        var endpoints: [UDPEndpoint]
    }

    struct Rank: Comparable {
        /// Answered, not known, failing: 0, 1, 2.
        let tier: UInt8
        let latest: Instant
        let spread: UInt64

        static func < (left: Rank, right: Rank) -> Bool {
            if left.tier != right.tier { return left.tier < right.tier }
            if left.latest != right.latest { return left.latest > right.latest }
            return left.spread < right.spread
        }
    }

    private let limit: Int
    private let withIDs: Bool
    /// Records without an endpoint, and those for which there was no room.
    private(set) var leftOut = 0
    private var kept: [Node] = []
    /// The rank of the last node when as many as the limit are better: nothing behind it can come in.
    private var cutOff: Rank?

    /// - Parameter withIDs: whether nodes are told apart by their ids, and so must have one. Otherwise an endpoint stands
    ///   for a node, and comes once.
    init(limit: Int, withIDs: Bool) {
        self.limit = limit
        self.withIDs = withIDs
    }

    mutating func add(_ peer: PeerRecord) {
        let tier: UInt8 =
            switch peer.standing {
            case .answered: 0
            case .unverified: 1
            case .failing: 2
            }
        add(
            id: peer.id, endpoints: Self.endpoints(peer.addresses.lazy.map(\.address)), tier,
            peer.lastOK ?? peer.lastSeen)
    }

    /// A candidate that was asked and is still one has not answered.
    mutating func add(_ candidate: Candidate) {
        add(
            id: nil, endpoints: Self.endpoints(CollectionOfOne(candidate.address)), candidate.tries > 0 ? 2 : 1,
            candidate.lastSeen)
    }

    /// The best, in order.
    mutating func sorted() -> [Node] {
        settle()
        return kept
    }

    private mutating func add(id: PeerID?, endpoints: [UDPEndpoint], _ tier: UInt8, _ latest: Instant) {
        guard !endpoints.isEmpty, id != nil || !withIDs else {
            leftOut += 1
            return
        }
        let rank = Rank(tier: tier, latest: latest, spread: Self.spread(id, endpoints))
        if let cutOff, cutOff < rank {
            leftOut += 1
            return
        }
        // A copy: the ids of a page share one buffer, which would stay as long as any of them.
        let own = withIDs ? id.flatMap { PeerID(Array($0.bytes)) } : nil
        kept.append(Node(rank: rank, id: own, endpoints: endpoints))
        if kept.count >= 2 * limit { settle() }
    }

    /// Sorts, and drops what is there twice or is too much.
    private mutating func settle() {
        kept.sort { $0.rank < $1.rank }
        if !withIDs {
            var seen: Set<UDPEndpoint> = []
            for index in kept.indices { kept[index].endpoints.removeAll { !seen.insert($0).inserted } }
            kept.removeAll(where: \.endpoints.isEmpty)
        }
        if kept.count > limit {
            leftOut += kept.count - limit
            kept.removeLast(kept.count - limit)
        }
        cutOff = kept.count == limit ? kept.last?.rank : nil
    }

    private static func endpoints(_ addresses: some Sequence<Multiaddr>) -> [UDPEndpoint] {
        var found: [UDPEndpoint] = []
        for address in addresses where found.count < 2 {
            guard let endpoint = UDPEndpoint(address), found.first?.isV4 != endpoint.isV4 else { continue }
            found.append(endpoint)
        }
        return found
    }

    /// FNV-1a over what the node is known by.
    private static func spread(_ id: PeerID?, _ endpoints: [UDPEndpoint]) -> UInt64 {
        var hash: UInt64 = 0xcbf2_9ce4_8422_2325
        func add(_ bytes: some Sequence<UInt8>) {
            for byte in bytes { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01b3 }
        }
        if let id { add(id.bytes) }
        for endpoint in endpoints { add(endpoint.compact) }
        return hash
    }
}
