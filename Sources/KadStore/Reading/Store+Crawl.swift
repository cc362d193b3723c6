import Kademlia

/// Some peers that the crawl under way has not visited, in key order.
public struct UnvisitedPage: Sendable {
    /// A page may be empty although more follow.
    public let peers: [NearestPeer]
    /// Goes on where this page ended; nil at the end. What is learnt behind it meanwhile needs another walk from the
    /// beginning.
    public let next: Key?
}

extension Store {
    /// The crawl that has not ended, in whatever process, and how far it is; nil when there is none.
    public func runningCrawl() throws(StoreError) -> Crawl? {
        try read { try $0.runningCrawl() }
    }

    /// The latest crawls, newest first, as of the last commit.
    public func crawls(limit: Int = Crawl.maximumCount) throws(StoreError) -> [Crawl] {
        try readers.withReader { try $0.crawls(limit: min(max(1, limit), Crawl.maximumCount)) }
    }

    /// What the crawl that has not ended found of a peer; nil when it has not visited the peer, or there is no crawl.
    public func visit(of key: Key) throws(StoreError) -> VisitOutcome? {
        try read { try $0.visit(of: key) }
    }

    /// A page of the peers that the crawl under way has not visited, with their addresses in the order to dial in; without
    /// a crawl, of all peers. Peers that come while pages are read are seen when they lie behind the place that was
    /// reached, each at most once; peers whose ids cannot be read are left out.
    ///
    /// - Parameters:
    ///   - key: where the page before ended (``UnvisitedPage/next``).
    ///   - limit: the most stored rows to read, visited or not, 1 to ``maximumPageCount``.
    /// - Complexity: O(log n + limit), however many were visited.
    public func unvisited(after key: Key? = nil, limit: Int = 1_024) throws(StoreError) -> UnvisitedPage {
        let limit = min(max(1, limit), Self.maximumPageCount)
        return try read { view in
            let page = try view.unvisited(after: key, limit: limit)
            return UnvisitedPage(peers: page.peers, next: page.end)
        }
    }
}
