import Kademlia
import Multiformats

/// A peer's id with its key. Made by a ``Store`` alone, which hashes an id once: what comes from a row carries its key.
public struct Peer: Hashable, Sendable {
    public let id: PeerID
    public let key: Key
}
