import Kademlia

/// Whom a crawl visits next: everybody once, in the order that they were found in.
struct CrawlFrontier {
    /// Visits at a time.
    let parallel: Int
    /// The most peers: whoever answers can name others that do not exist, and these others again.
    let maximumPeers: Int

    private var known: Set<Key> = []
    private var waiting: [Key] = []
    private var head = 0
    private(set) var underWay: Set<Key> = []
    /// Whether somebody was left out for ``maximumPeers``.
    private(set) var isTruncated = false

    init(parallel: Int, maximumPeers: Int) {
        self.parallel = max(1, parallel)
        self.maximumPeers = maximumPeers
    }

    func isKnown(_ key: Key) -> Bool { known.contains(key) }

    var waitingCount: Int { waiting.count - head }
    var isOver: Bool { waitingCount == 0 && underWay.isEmpty }

    /// Somebody was named.
    ///
    /// - Returns: whether for the first time.
    mutating func found(_ key: Key) -> Bool {
        guard take(key) else { return false }
        waiting.append(key)
        return true
    }

    /// Somebody was visited before this crawl was interrupted, or is not to be visited.
    mutating func settled(_ key: Key) { _ = take(key) }

    private mutating func take(_ key: Key) -> Bool {
        guard !isKnown(key) else { return false }
        guard known.count < maximumPeers else {
            isTruncated = true
            return false
        }
        known.insert(key)
        return true
    }

    /// The next one; nil while as many as may be are under way, or nobody waits.
    mutating func next() -> Key? {
        guard underWay.count < parallel, head < waiting.count else { return nil }
        let key = waiting[head]
        head += 1
        // What has been handed out is let go of, at a cost that does not grow with what waits.
        if head > 1_024, head > waiting.count / 2 {
            waiting.removeFirst(head)
            head = 0
        }
        underWay.insert(key)
        return key
    }

    mutating func ended(_ key: Key) { underWay.remove(key) }
}
