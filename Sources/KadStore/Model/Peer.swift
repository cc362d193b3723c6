import Kademlia
import Multiformats

/// A peer's id with its key. A ``Store`` makes it, which hashes an id once: what comes from a row carries its key.
public struct Peer: Hashable, Sendable {
    public let id: PeerID
    public let key: Key

    /// - Parameter key: the hash of the id in the network that it is of.
    package init(id: PeerID, key: Key) {
        self.id = id
        self.key = key
    }
}
