import Kademlia
import Multiformats

/// An address that came without a peer id: somebody to ask, not yet a peer.
public struct Candidate: Hashable, Sendable {
    public var address: Multiaddr
    public var firstSeen: Instant
    public var lastSeen: Instant
    public var lastTried: Instant?
    public var tries: Int
    public var source: String?

    public init(
        address: Multiaddr, firstSeen: Instant, lastSeen: Instant, lastTried: Instant? = nil, tries: Int = 0,
        source: String? = nil
    ) {
        self.address = address
        self.firstSeen = firstSeen
        self.lastSeen = lastSeen
        self.lastTried = lastTried
        self.tries = tries
        self.source = source
    }
}

/// What is left of a dropped peer, so that gossip does not bring it back with a clean slate.
public struct Tombstone: Hashable, Sendable {
    public var key: Key
    public var droppedAt: Instant
    public var streakMilli: Int64
    /// What it failed with last: misbehaviour stays misbehaviour when the peer comes back.
    public var lastClass: FailureClass
    public var notBefore: Instant?
    public var waitMilliseconds: Int64

    public init(
        key: Key, droppedAt: Instant, streakMilli: Int64 = 0, lastClass: FailureClass = .timeout,
        notBefore: Instant? = nil, waitMilliseconds: Int64 = 0
    ) {
        self.key = key
        self.droppedAt = droppedAt
        self.streakMilli = streakMilli
        self.lastClass = lastClass
        self.notBefore = notBefore
        self.waitMilliseconds = waitMilliseconds
    }

    /// How long a tombstone is kept beside newer ones: seven half-lives of the streak that it carries, a day each, and
    /// four of a week for misbehaviour.
    public static let keptMilliseconds: Int64 = 7 * 86_400_000
    public static let misbehaviourMilliseconds: Int64 = 28 * 86_400_000

    /// The most tombstones that are kept; the oldest go first.
    public static let maximumCount = 65_536
}

/// A local identity: a node of ours, with k-buckets of its own.
public struct Identity: Hashable, Sendable {
    public let number: Int64
    public let peer: Peer
    public let label: String
    public let createdAt: Instant

    public init(number: Int64, peer: Peer, label: String, createdAt: Instant) {
        self.number = number
        self.peer = peer
        self.label = label
        self.createdAt = createdAt
    }
}
