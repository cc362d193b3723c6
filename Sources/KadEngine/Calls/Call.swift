import KadStore
import Kademlia
import Multiformats

/// One dial with one request, as the engine asks for it. Whoever carries it out reports one ``CallOutcome``.
public struct Call: Hashable, Sendable {
    public let peer: Peer
    /// Where the peer may be, in the order to try. Never empty.
    public let addresses: [Multiaddr]
    public let request: Request
    /// How long until the engine gives up by itself. It then says so with ``Action/cancel(_:)``.
    public let timeoutMilliseconds: Int64
}

/// What is asked of a peer.
public enum Request: Hashable, Sendable {
    /// The peers that it knows nearest to a target (FIND_NODE).
    case findNode(LookupTarget)
    /// Whether it lives.
    case ping
    /// The value that it keeps under a key, and the peers that it knows nearest to it (GET_VALUE).
    case getValue([UInt8])
    /// To keep a value (PUT_VALUE).
    case putValue(key: [UInt8], value: [UInt8])
    /// Who provides a key, and the peers that it knows nearest to it (GET_PROVIDERS).
    case getProviders([UInt8])
    /// To remember that we provide a key (ADD_PROVIDER). The transport says where we are.
    case addProvider([UInt8])
}

/// What an answer carries beside the peers that it names. Bytes from the wire, not yet believed.
public enum ReplyContent: Hashable, Sendable {
    case none
    case value([UInt8])
    case providers([NamedPeer])
}

/// What a lookup is for.
public struct LookupTarget: Hashable, Sendable {
    /// The point in the key space.
    public let key: Key
    /// The bytes whose key it is, where the network asks for them rather than for the key (libp2p).
    public let preimage: [UInt8]?

    public init(key: Key, preimage: [UInt8]? = nil) {
        self.key = key
        self.preimage = preimage
    }

    /// A peer's id as a target.
    public init(_ peer: Peer) { self.init(key: peer.key, preimage: Array(peer.id.bytes)) }

    /// What stands for the target on the wire: the bytes whose key it is, or the key itself.
    var wireBytes: [UInt8] { preimage ?? key.bytes() }
}

/// Names a call until its outcome is reported.
public struct CallID: Hashable, Comparable, Sendable {
    let number: UInt64
    public static func < (left: CallID, right: CallID) -> Bool { left.number < right.number }
}

/// What became of a call.
public enum CallOutcome: Hashable, Sendable {
    /// The peer answered from `address`, after `rttMicroseconds`, and named others. `origin` is where the answer came from
    /// where that proves no address: the peer had dialled us, or a name was dialled. Limits by network count it.
    case answered(
        address: Multiaddr?, origin: Multiaddr? = nil, rttMicroseconds: Int64, named: [NamedPeer],
        content: ReplyContent = .none)
    /// It failed, at `address` where one address is to blame.
    case failed(FailureClass, address: Multiaddr?)
}

/// A peer as another peer's answer names it: bytes from the wire, not yet believed.
public struct NamedPeer: Hashable, Sendable {
    public var id: [UInt8]
    public var addresses: [Multiaddr]
    /// The key that the wire states for the peer, in networks whose messages state one.
    public var key: [UInt8]?

    public init(id: [UInt8], addresses: [Multiaddr], key: [UInt8]? = nil) {
        self.id = id
        self.addresses = addresses
        self.key = key
    }
}
