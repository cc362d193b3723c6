import Kademlia
import Multiformats

/// Some of a store's peers, in key order.
public struct PeerPage: Sendable {
    /// Those that passed the filter: a page may be empty although more follow.
    public let peers: [PeerRecord]
    /// Peers of this range whose rows are damaged: they were left out. A check says what is wrong with them.
    public let damaged: [Key]
    /// Goes on where this page ended; nil at the end.
    public let next: Key?
}

/// Some of a store's candidates, in the order of their addresses' bytes.
public struct CandidatePage: Sendable {
    public let candidates: [Candidate]
    /// Rows of this range that are damaged, and left out.
    public let damaged: Int
    /// Goes on where this page ended; nil at the end.
    public let next: Multiaddr?
}

/// Some of a store's tombstones, in key order.
public struct TombstonePage: Sendable {
    public let tombstones: [Tombstone]
    /// Rows of this range that are damaged, and left out.
    public let damaged: Int
    /// Goes on where this page ended; nil at the end.
    public let next: Key?
}

extension Store {
    /// One peer with all its history, or nil when the store does not have it.
    ///
    /// - Complexity: O(log n).
    public func record(of key: Key) throws(StoreError) -> PeerRecord? {
        try read { try $0.record(of: key) }
    }

    /// A page of peers in key order. Each page is a short read of its own: peers that come or go meanwhile are seen or
    /// not, each is seen at most once, and the log is never pinned.
    ///
    /// - Parameters:
    ///   - key: where the page before ended (``PeerPage/next``).
    ///   - limit: the most rows to read, 1 to ``maximumPageCount``.
    public func peers(
        after key: Key? = nil, limit: Int = 1_024, where filter: PeerFilter = .all
    ) throws(StoreError) -> PeerPage {
        let limit = min(max(1, limit), Self.maximumPageCount)
        return try read { view in
            let (page, end) = try view.records(after: key, limit: limit)
            let peers = filter == .all ? page.records : page.records.filter { filter.accepts($0) }
            return PeerPage(peers: peers, damaged: page.damaged, next: end)
        }
    }

    /// A page of candidates.
    public func candidates(after address: Multiaddr? = nil, limit: Int = 1_024) throws(StoreError) -> CandidatePage {
        let limit = min(max(1, limit), Self.maximumPageCount)
        return try read { try $0.candidates(after: address, limit: limit) }
    }

    /// A page of tombstones: at most `limit` of those that are written, and what is queued between them.
    public func tombstones(after key: Key? = nil, limit: Int = 1_024) throws(StoreError) -> TombstonePage {
        let limit = min(max(1, limit), Self.maximumPageCount)
        return try read { try $0.tombstones(after: key, limit: limit) }
    }

    /// What the store remembers of time; nil before the first mark.
    public func clock() throws(StoreError) -> ClockMark? {
        try read { try $0.clock() }
    }
}
