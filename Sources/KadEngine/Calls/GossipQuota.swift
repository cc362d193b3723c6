import Kademlia

/// How much hearsay one source may bring in an hour. Ids cost nothing: without a bound one peer fills the store.
public struct GossipQuota: Sendable {
    public struct Limits: Hashable, Sendable {
        /// Peers that one source may name anew in one window: a network group, or a peer whose group is not known. A lookup
        /// asks a peer once, for k = 20: ten such answers.
        public var perSource = 200
        public var windowMilliseconds: Int64 = 3_600_000
        /// Unknown peers whose own requests are taken as news of them, in one window, all together: an id in a request
        /// costs nothing either. A sixteenth of the store's usual cap. Of one network group, ``perSource``.
        public var strangers = 4_096
        /// Sources that are counted. Two generations, so that a new one never clears all of them.
        public var sources = 4_096

        public init() {}
    }

    enum Source: Hashable {
        /// Peers that name others, by where they are: asking ten ids of one host is asking the host.
        case tellers(NetworkGroup)
        /// One that answered from nobody knows where.
        case peer(Key)
        /// Peers that tell of themselves, by where they are.
        case strangers(NetworkGroup?)
        /// New names (agent, protocols) of peers, by where those are: each is a row of its own.
        case names(NetworkGroup?)
    }

    let limits: Limits
    private var young: [Source: Int] = [:]
    private var old: [Source: Int] = [:]
    private var turnedAt: Uptime?
    /// What strangers brought in the window, and when that began.
    private var strangers = 0
    private var strangersAt: Uptime?

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

    /// Whether a peer that is not known may tell of itself.
    mutating func takesStranger(in group: NetworkGroup?, at now: Uptime) -> Bool {
        if strangersAt.map({ now.millisecondsSince($0) >= limits.windowMilliseconds }) ?? true {
            strangers = 0
            strangersAt = now
        }
        guard strangers < limits.strangers, takes(1, from: .strangers(group), at: now) else { return false }
        strangers += 1
        return true
    }
}
