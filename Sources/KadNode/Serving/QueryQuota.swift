import KadStore
import Kademlia

/// How much others may ask of a node.
public struct ServingLimits: Hashable, Sendable {
    /// What may be asked for in a while on average, and at once.
    public struct Rate: Hashable, Sendable {
        public var perHour: Int64
        public var burst: Int64

        public init(perHour: Int64, burst: Int64) {
            self.perHour = perHour
            self.burst = burst
        }

        public init(perSecond: Int64, burst: Int64) {
            let (perHour, overflow) = perSecond.multipliedReportingOverflow(by: 3_600)
            self.init(perHour: overflow ? .max : perHour, burst: burst)
        }

        public var perSecond: Int64 { perHour / 3_600 }
    }

    /// Queries of one peer. A lookup asks a peer once, so hundreds in a second are of a crawler or a busy gateway; answering 500
    /// takes a tenth of a core.
    public var queries = Rate(perSecond: 500, burst: 1_000)
    /// Values and providers that one peer may have kept: each is a row. py-libp2p takes one a second. The burst is for whoever
    /// publishes many keys in a small network, where all of them come to the same peers.
    public var writes = Rate(perSecond: 10, burst: 200)
    /// The same for a network group, whoever asks: ids cost nothing, addresses do.
    public var groupWrites = Rate(perSecond: 100, burst: 2_000)
    // What one network group may have kept for the 48 hours that it is kept: burst and 48 hours' rate are an eighth of
    // ``HoldingLimits``, so that four networks that do their worst leave half of the room to everybody else.
    /// Values, ...
    public var groupValues = Rate(perHour: 128, burst: 2_048)
    /// ... providers, ...
    public var groupProviders = Rate(perHour: 2_048, burst: 32_768)
    /// ... and bytes, of either.
    public var groupBytes = Rate(perHour: 512 << 10, burst: 8 << 20)
    /// Peers and groups that are counted; those that asked longest ago are forgotten first. Half of them are groups: peers, of
    /// whom anyone may have thousands, push none of these out.
    public var counted = 16_384
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
        case groupValues(NetworkGroup?)
        case groupValueBytes(NetworkGroup?)
        case groupProviders(NetworkGroup?)
        case groupProviderBytes(NetworkGroup?)

        fileprivate var isOfPeer: Bool {
            switch self {
            case .queries, .writes: true
            default: false
            }
        }
    }

    private struct Bucket {
        /// In parts of which an hour of milliseconds makes one whole query or byte.
        var level: Int64
        var at: Uptime
    }

    /// Two generations, so that a new one never forgets all of them.
    private struct Buckets {
        var young: [Source: Bucket] = [:]
        var old: [Source: Bucket] = [:]

        mutating func turn(at limit: Int) {
            guard young.count >= limit else { return }
            old = young
            young = [:]
        }
    }

    private static let whole: Int64 = 3_600_000

    let limits: ServingLimits
    private var ofPeers = Buckets()
    private var ofGroups = Buckets()

    init(limits: ServingLimits) { self.limits = limits }

    /// Whether so much more may be asked for now, and counts it if so.
    ///
    /// - Complexity: O(1)
    mutating func takes(_ source: Source, _ amount: Int = 1, at now: Uptime) -> Bool {
        source.isOfPeer
            ? Self.takes(source, amount, of: &ofPeers, limits, at: now)
            : Self.takes(source, amount, of: &ofGroups, limits, at: now)
    }

    private static func takes(
        _ source: Source, _ amount: Int, of buckets: inout Buckets, _ limits: ServingLimits, at now: Uptime
    ) -> Bool {
        buckets.turn(at: max(1, limits.counted / 4))
        let rate = limits.rate(of: source)
        let most = max(1, rate.burst).multipliedReportingOverflow(by: whole)
        let full = most.overflow ? Int64.max : most.partialValue
        var bucket = buckets.young[source] ?? buckets.old[source] ?? Bucket(level: full, at: now)
        let elapsed = max(0, now.millisecondsSince(bucket.at))
        let gain = elapsed.multipliedReportingOverflow(by: max(0, rate.perHour))
        let sum = bucket.level.addingReportingOverflow(gain.partialValue)
        bucket.level = gain.overflow || sum.overflow ? full : min(full, sum.partialValue)
        bucket.at = now
        let cost = Int64(max(0, amount)).multipliedReportingOverflow(by: whole)
        let isTaken = !cost.overflow && bucket.level >= cost.partialValue
        if isTaken { bucket.level -= cost.partialValue }
        buckets.young[source] = bucket
        return isTaken
    }

    /// How many sources are counted.
    var count: Int { [ofPeers, ofGroups].reduce(0) { $0 + $1.young.count + $1.old.count } }
}

extension ServingLimits {
    fileprivate func rate(of source: QueryQuota.Source) -> Rate {
        switch source {
        case .queries: queries
        case .writes: writes
        case .groupWrites: groupWrites
        case .groupValues: groupValues
        case .groupProviders: groupProviders
        case .groupValueBytes, .groupProviderBytes: groupBytes
        }
    }
}
