import Kademlia
import Multiformats

/// A value that is kept for the network, or was published here.
public struct StoredValue: Hashable, Sendable {
    /// The bytes that its place is derived from: for libp2p `/namespace/…`. 1 to ``maximumKeyBytes`` of them.
    public var key: [UInt8]
    /// At most ``maximumValueBytes``.
    public var value: [UInt8]
    public var receivedAt: Instant
    /// From then on it is neither told nor kept, unless it is our own.
    public var expiresAt: Instant
    /// Whether it was published here: then it is published again, and goes only when somebody withdraws it.
    public var isOwn: Bool

    public init(key: [UInt8], value: [UInt8], receivedAt: Instant, expiresAt: Instant, isOwn: Bool = false) {
        self.key = key
        self.value = value
        self.receivedAt = receivedAt
        self.expiresAt = expiresAt
        self.isOwn = isOwn
    }

    /// The longest key that is kept: what other implementations answer GET_VALUE for.
    public static let maximumKeyBytes = 128

    /// The longest value: others refuse a record of more than 1 MiB, and key and framing are part of it.
    public static let maximumValueBytes = (1 << 20) - 1_024
}

/// Who said to provide a key.
public struct StoredProvider: Hashable, Sendable {
    /// For libp2p the multihash of what is provided. 1 to ``StoredValue/maximumKeyBytes`` bytes.
    public var key: [UInt8]
    public var peer: Peer
    /// In the order to dial in, at most ``maximumAddresses``: what is behind them is not kept.
    public var addresses: [Multiaddr]
    /// Whether the announcement came from the network of the first address. Only then does it say where the provider is: an
    /// address alone is made up for nothing.
    public var isPlaced: Bool
    public var receivedAt: Instant
    public var expiresAt: Instant
    /// Whether this node itself provides it: then it is announced again, and goes only when somebody withdraws it.
    public var isOwn: Bool

    public init(
        key: [UInt8], peer: Peer, addresses: [Multiaddr], isPlaced: Bool = false, receivedAt: Instant,
        expiresAt: Instant, isOwn: Bool = false
    ) {
        self.key = key
        self.peer = peer
        self.addresses = addresses
        self.isPlaced = isPlaced
        self.receivedAt = receivedAt
        self.expiresAt = expiresAt
        self.isOwn = isOwn
    }

    /// The most addresses that are kept of one provider: a peer announces its interfaces, a handful of them in each of its
    /// transports.
    public static let maximumAddresses = 16
}

/// A row that is kept until it expires; one of our own until it is withdrawn.
protocol Expiring {
    var key: [UInt8] { get }
    var receivedAt: Instant { get set }
    var expiresAt: Instant { get set }
    var isOwn: Bool { get }
}

extension StoredValue: Expiring {}
extension StoredProvider: Expiring {}

/// How long what others sent may be kept.
enum Lifetime {
    /// Seven days in milliseconds. Networks keep values for one to two days and providers for two: whatever is stamped
    /// further ahead comes of a clock that was wrong, or of somebody who wants to stay.
    static let maximumMilliseconds: Int64 = 7 * 86_400_000

    /// The latest instant that something received at `instant` expires at.
    static func end(from instant: Instant) -> Instant { instant.advanced(byMilliseconds: maximumMilliseconds) }
}

extension Expiring {
    /// Whether it may be told at a time.
    func isLive(at now: Instant) -> Bool { isOwn || expiresAt > now }

    /// The same, expiring no later than anything may.
    var clamped: Self {
        guard !isOwn else { return self }
        var row = self
        row.expiresAt = min(expiresAt, Lifetime.end(from: receivedAt))
        return row
    }
}
