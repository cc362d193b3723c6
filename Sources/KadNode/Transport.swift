import KadEngine
import KadStore
import Kademlia
import Multiformats

/// How a node reaches others: the one thing that it needs from outside. One method.
///
/// A call is given up by cancelling its task, at its deadline or when nobody waits any more: an implementation then
/// returns or throws soon, whatever it throws.
public protocol Transport: Sendable {
    /// Dials `peer` at the addresses in their order until one works, makes sure that it is the peer that answers, and asks.
    ///
    /// - Parameter addresses: never empty; the one that answered last comes first.
    /// - Throws: ``TransportError`` with the class of what went wrong. Map it from typed errors, never from a text; whether
    ///   it speaks against the peer is not the transport's to decide.
    func send(_ request: Request, to peer: Peer, at addresses: [Multiaddr]) async throws(TransportError) -> Reply
}

/// A peer's answer.
public struct Reply: Hashable, Sendable {
    /// Where it answered. It proves that the address is the peer's.
    public var address: Multiaddr?
    /// Where the answer came from, also where that proves no address to be the peer's, since it dialled us or a name was
    /// dialled: for limits by network. Nil where it is ``address``.
    public var origin: Multiaddr?
    /// The peers that it names, as they came from the wire: the node decides what of it is believed. Empty for a ping.
    public var named: [NamedPeer]
    /// The value or the providers that were asked for.
    public var content: ReplyContent

    public init(
        address: Multiaddr?, origin: Multiaddr? = nil, named: [NamedPeer] = [], content: ReplyContent = .none
    ) {
        self.address = address
        self.origin = origin
        self.named = named
        self.content = content
    }
}

/// Why a call failed.
public struct TransportError: Error, Hashable, Sendable {
    public var failureClass: FailureClass
    /// Where, when one address is to blame; nil when all were tried.
    public var address: Multiaddr?

    public init(_ failureClass: FailureClass, at address: Multiaddr? = nil) {
        self.failureClass = failureClass
        self.address = address
    }
}
