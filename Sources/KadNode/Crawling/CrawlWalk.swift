import KadEngine
import KadStore
import Kademlia
import Multiformats

/// One run of a crawl: visits go out, what they bring comes in, one after the other.
struct CrawlWalk {
    private let crawler: Crawler
    private var crawl: Crawl
    private let isResumed: Bool
    private var frontier: CrawlFrontier
    private var progress = Crawler.Progress()

    private var store: Store { crawler.store }

    init(_ crawler: Crawler, restart: Bool) async throws(StoreError) {
        self.crawler = crawler
        let configuration = crawler.configuration
        frontier = CrawlFrontier(parallel: configuration.parallel, maximumPeers: configuration.maximumPeers)
        (crawl, isResumed) = try await crawler.store.beginCrawl(anew: restart, at: .systemClock())
        progress.answered = crawl.answered
        progress.failed = crawl.failed
        progress.leftOut = crawl.leftOut
        try restore()
    }

    /// Everybody whom the store knows, and the crawl is not done with.
    private mutating func restore() throws(StoreError) {
        var after: Key?
        repeat {
            let page = try store.unvisited(after: after, limit: Store.maximumPageCount)
            for peer in page.peers where peer.key != crawler.localKey { _ = frontier.found(peer.key) }
            after = page.next
        } while after != nil
        progress.waiting = frontier.waitingCount
    }

    mutating func run(_ onProgress: (Crawler.Progress) -> Void) async throws(StoreError) {
        let crawler = crawler
        let failure = await withTaskGroup(of: Crawler.Visited.self) { group -> StoreError? in
            do throws(StoreError) {
                repeat {
                    while !Task.isCancelled, let peer = try await nextPeer() {
                        group.addTask { await crawler.visit(peer) }
                    }
                    guard let visited = await group.next() else { break }
                    try await take(visited)
                    onProgress(progress)
                } while true
                return nil
            } catch {
                group.cancelAll()
                return error
            }
        }
        if let failure { throw failure }
    }

    /// The next one to ask; who is not to be asked is done with at once.
    private mutating func nextPeer() async throws(StoreError) -> Peer? {
        while let key = frontier.next() {
            if let record = try store.record(of: key), mayBeAsked(record) {
                progress.underWay += 1
                return record.peer
            }
            try await end(key, .leftOut)
        }
        return nil
    }

    private func mayBeAsked(_ record: PeerRecord) -> Bool {
        guard record.addresses.contains(where: { store.scope.admits($0.address) }) else { return false }
        if crawler.configuration.asksEverybody { return true }
        return (record.backoff?.remaining(at: .systemClock()) ?? 0) <= 0
    }

    private mutating func take(_ visited: Crawler.Visited) async throws(StoreError) {
        progress.underWay -= 1
        progress.waiting = frontier.waitingCount
        progress.answers += visited.answers
        for (_, named) in visited.named.sorted(by: { $0.key < $1.key }) {
            try await found(named.peer, at: named.addresses, from: "crawl")
        }
        // A visit that was cancelled is made again, by whoever goes on.
        guard let outcome = visited.outcome else { return }
        try await end(visited.peer.key, outcome)
    }

    /// Somebody was named: remembered when it is for the first time in this crawl.
    mutating func found(_ peer: Peer, at addresses: [Multiaddr], from source: String) async throws(StoreError) {
        guard peer.key != crawler.localKey, !frontier.isKnown(peer.key) else { return }
        // Visited before the crawl was interrupted.
        if isResumed, try store.visit(of: peer.key) != nil {
            frontier.settled(peer.key)
        } else if frontier.found(peer.key) {
            try await record(.heard(peer, addresses: addresses, source: source, at: .systemClock()))
        }
    }

    private mutating func end(_ key: Key, _ outcome: VisitOutcome) async throws(StoreError) {
        frontier.ended(key)
        switch outcome {
        case .answered: progress.answered += 1
        case .failed: progress.failed += 1
        case .leftOut: progress.leftOut += 1
        }
        progress.waiting = frontier.waitingCount
        try await record(.visited(key, outcome, at: .systemClock(), crawl: crawl.number))
    }

    /// Records an event; where too many wait, after they have been written.
    private func record(_ event: StoreEvent) async throws(StoreError) {
        do throws(StoreError) {
            try store.record(event)
        } catch .backlog {
            try await store.flush()
            try store.record(event)
        }
    }

    /// Writes what has come, and ends the crawl when nobody is left.
    mutating func end() async throws(StoreError) -> Crawler.Report {
        try await store.flush()
        // Whoever crawls does not want the next node to drop whom it found.
        try await store.raisePeerCap(to: Int64(try store.peerCount()))
        if frontier.isOver {
            crawl =
                try await store.endCrawl(crawl.number, isComplete: !frontier.isTruncated, at: .systemClock()) ?? crawl
        } else {
            crawl = try store.runningCrawl() ?? crawl
        }
        return Crawler.Report(
            crawl: crawl, isResumed: isResumed, answers: progress.answers,
            remaining: frontier.waitingCount + frontier.underWay.count, isTruncated: frontier.isTruncated)
    }
}
