import KadStore
import Kademlia

/// How much others may ask of a node.
public struct ServingLimits: Hashable, Sendable {
    /// What may be asked for in a second on average, and at once.
    public struct Rate: Hashable, Sendable {
        public var perSecond: Int64
        public var burst: Int64

        public init(perSecond: Int64, burst: Int64) {
            self.perSecond = perSecond
            self.burst = burst
        }
    }

    /// Queries of one peer. A lookup asks a peer once, so hundreds in a second are of a crawler or a busy gateway; answering 500
    /// takes a tenth of a core.
    public var queries = Rate(perSecond: 500, burst: 1_000)
    /// Values and providers that one peer may have kept: each is a row. py-libp2p takes one a second. The burst is for whoever
    /// publishes many keys in a small network, where all of them come to the same peers.
    public var writes = Rate(perSecond: 10, burst: 200)
    /// The same for a network group, whoever asks: ids cost nothing, addresses do.
    public var groupWrites = Rate(perSecond: 100, burst: 2_000)
    /// Peers and groups that are counted; those that asked longest ago are forgotten first.
    public var counted = 8_192
    /// Kademlia's k: peers of an answer, without the one that was asked for itself.
    public var peers = 20
    /// Providers of an answer.
    public var providers = 20
    /// Addresses of each peer or provider that is told or taken.
    public var addresses = 16

    public init() {}
}

/// Token buckets for whoever asks, bounded in number.
struct QueryQuota {
    enum Source: Hashable {
        case queries(Key)
        case writes(Key)
        case groupWrites(NetworkGroup?)
    }

    private struct Bucket {
        /// In thousandths of a query.
        var level: Int64
        var at: Uptime
    }

    let limits: ServingLimits
    // Two generations, so that a new one never forgets all of them.
    private var young: [Source: Bucket] = [:]
    private var old: [Source: Bucket] = [:]

    init(limits: ServingLimits) { self.limits = limits }

    /// Whether one more may be asked for now, and counts it if so.
    ///
    /// - Complexity: O(1)
    mutating func takes(_ source: Source, at now: Uptime) -> Bool {
        if young.count >= max(1, limits.counted / 2) {
            old = young
            young = [:]
        }
        let rate = rate(of: source)
        let most = max(1, rate.burst).multipliedReportingOverflow(by: 1_000)
        let full = most.overflow ? Int64.max : most.partialValue
        var bucket = young[source] ?? old[source] ?? Bucket(level: full, at: now)
        // A thousandth for each millisecond and query per second.
        let elapsed = max(0, now.millisecondsSince(bucket.at))
        let gain = elapsed.multipliedReportingOverflow(by: max(0, rate.perSecond))
        let sum = bucket.level.addingReportingOverflow(gain.partialValue)
        bucket.level = gain.overflow || sum.overflow ? full : min(full, sum.partialValue)
        bucket.at = now
        let isTaken = bucket.level >= 1_000
        if isTaken { bucket.level -= 1_000 }
        young[source] = bucket
        return isTaken
    }

    /// How many sources are counted.
    var count: Int { young.count + old.count }

    private func rate(of source: Source) -> ServingLimits.Rate {
        switch source {
        case .queries: limits.queries
        case .writes: limits.writes
        case .groupWrites: limits.groupWrites
        }
    }
}
