import Kademlia

/// How much hearsay one source may bring in an hour. Ids cost nothing: without a bound one peer fills the store.
public struct GossipQuota: Sendable {
    public struct Limits: Hashable, Sendable {
        /// Peers that one source may name anew in one window. A lookup asks a peer once, for k = 20: ten such answers.
        public var perSource = 200
        public var windowMilliseconds: Int64 = 3_600_000
        /// Sources that are counted. Two generations, so that a new one never clears all of them.
        public var sources = 4_096

        public init() {}
    }

    enum Source: Hashable {
        case peer(Key)
    }

    let limits: Limits
    private var young: [Source: Int] = [:]
    private var old: [Source: Int] = [:]
    private var turnedAt: Uptime?

    init(limits: Limits) { self.limits = limits }

    mutating func takes(_ count: Int, from source: Source, at now: Uptime) -> Bool {
        let isOver = turnedAt.map { now.millisecondsSince($0) >= limits.windowMilliseconds } ?? false
        if isOver || young.count >= limits.sources || turnedAt == nil {
            old = isOver ? [:] : young
            young = [:]
            turnedAt = now
        }
        let used = young[source] ?? old[source] ?? 0
        guard used + count <= limits.perSource else { return false }
        young[source] = used + count
        return true
    }
}
