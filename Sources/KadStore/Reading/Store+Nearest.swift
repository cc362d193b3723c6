import Kademlia
import Multiformats

/// One of the nearest peers.
public struct NearestPeer: Hashable, Sendable {
    public let peer: Peer
    /// In the order to dial in.
    public let addresses: AddressList

    public var id: PeerID { peer.id }
    public var key: Key { peer.key }
}

/// Where a page of nearest peers ended.
public struct NearestToken: Hashable, Sendable {
    /// The target of the search.
    public let target: Key
    /// The distance of the last peer that was returned.
    public let distance: Distance

    public init(target: Key, distance: Distance) {
        self.target = target
        self.distance = distance
    }
}

/// Some of the peers nearest to a target, in the exact order of their distance.
public struct NearestPage: Sendable {
    /// Nearest first.
    public let peers: [NearestPeer]
    /// False when `maxRows` ended the search before the answer was certain.
    public let isExact: Bool
    /// Goes on where this page ended; nil when there is nothing more. Of an inexact page, it goes on behind the peers that
    /// are certain, and gives the others again; nil then means from the beginning, with more rows.
    public let next: NearestToken?
    /// Rows read and index searches.
    public let cost: NearestWalk.Cost
}

extension Store {
    /// The most peers of one page: a page is gathered in memory.
    public static let maximumPageCount = 4_096

    /// The peers nearest to `target`, in the exact XOR order.
    ///
    /// Streams from the key index into a bounded top-k: two range scans around the target, read in whole prefix groups
    /// (see `NearestWalk`). Sees every write that returned before the call, and never waits for a writer.
    ///
    /// - Parameters:
    ///   - count: peers wanted, 1 to ``maximumPageCount``.
    ///   - filter: which peers count.
    ///   - maxRows: the most rows to read; a search that ends there says that it is inexact.
    ///   - token: goes on after an earlier page of the same target.
    /// - Returns: the peers with their addresses, what it cost, and a token to go on from. No read transaction outlives
    ///   the call.
    /// - Complexity: O(log n + k) time and O(k) memory on uniform keys: on average at most 33 rows for k = 20 with 2
    ///   searches, at any n. At most 4,000 rows on any keys, and 3 more for each nearer peer that the filter rejects.
    public func nearest(
        to target: Key, count: Int = 20, where filter: PeerFilter = .all, maxRows: Int? = nil,
        after token: NearestToken? = nil
    ) throws(StoreError) -> NearestPage {
        guard (1...Self.maximumPageCount).contains(count) else {
            throw .invalidArgument("a page has 1 to \(Self.maximumPageCount) peers, not \(count)")
        }
        guard token == nil || token?.target == target else {
            throw .invalidArgument("the token belongs to a search for another target")
        }
        let reached = target.advanced(by: token?.distance ?? .zero)
        guard [target, reached].allSatisfy({ $0 == $0.lowerBound(prefix: network.keyBits) }) else {
            throw .invalidArgument("the target is wider than the \(network.keyBits)-bit keys of this network")
        }
        return try read { view in
            var index = try NearestIndex(view: view, filter: filter, count: count)
            defer { index.reset() }
            let walk = NearestWalk(target: target, count: count, after: token?.distance, maxRows: maxRows)
            var result = try walk.run(in: &index)
            // Behind an early end nearer peers may lie: going on there would miss them.
            let certain = result.isExact ? nil : result.nearest.entries.prefix(result.certainCount).last?.distance
            for key in view.pendingPeers {
                let distance = key.distance(to: target)
                if let after = token?.distance, distance <= after { continue }
                guard result.nearest.wouldKeep(distance), let row = try index.pendingRow(key) else { continue }
                result.nearest.offer(key, row)
            }
            let full = result.nearest.isFull ? result.nearest.farthest : nil
            // Queued newcomers may have taken the places of peers that are certain: those are for the next page.
            let last = result.isExact ? full : certain.map { min($0, full ?? $0) }
            return NearestPage(
                peers: try index.peers(result.nearest), isExact: result.isExact,
                next: last.map { NearestToken(target: target, distance: $0) } ?? (result.isExact ? nil : token),
                cost: result.cost)
        }
    }
}
