import Kademlia
import Multiformats

/// A value that is kept for the network, or was published here.
public struct StoredValue: Hashable, Sendable {
    /// The bytes that its place is derived from: for libp2p `/namespace/…`.
    public var key: [UInt8]
    public var value: [UInt8]
    public var receivedAt: Instant
    /// From then on it is neither told nor kept.
    public var expiresAt: Instant
    /// Whether it was published here: then it is published again, and expires only here when somebody withdraws it.
    public var isOwn: Bool

    public init(key: [UInt8], value: [UInt8], receivedAt: Instant, expiresAt: Instant, isOwn: Bool = false) {
        self.key = key
        self.value = value
        self.receivedAt = receivedAt
        self.expiresAt = expiresAt
        self.isOwn = isOwn
    }
}

/// Who said to provide a key.
public struct StoredProvider: Hashable, Sendable {
    /// For libp2p the multihash of what is provided.
    public var key: [UInt8]
    public var peer: Peer
    public var addresses: [Multiaddr]
    public var receivedAt: Instant
    public var expiresAt: Instant
    /// Whether this node itself provides it: then it is announced again.
    public var isOwn: Bool

    public init(
        key: [UInt8], peer: Peer, addresses: [Multiaddr], receivedAt: Instant, expiresAt: Instant, isOwn: Bool = false
    ) {
        self.key = key
        self.peer = peer
        self.addresses = addresses
        self.receivedAt = receivedAt
        self.expiresAt = expiresAt
        self.isOwn = isOwn
    }
}
