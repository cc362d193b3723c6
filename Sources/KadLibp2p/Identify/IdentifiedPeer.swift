import Multiformats

/// What a peer says of itself. All of it is untrusted but for `peer`, which the connection has proven; texts may hold
/// anything.
public struct IdentifiedPeer: Hashable, Sendable {
    public let peer: PeerID
    /// The software, as it calls itself.
    public let agent: String
    public let protocolVersion: String
    /// What it serves.
    public let protocols: [String]
    /// Where it says that it listens, without `/p2p`; from its signed record where there is a valid one.
    public let addresses: [Multiaddr]
    /// Whether the addresses are from a record that the peer signed.
    public let isSigned: Bool
    /// Where it is: as it was dialled, or where it came from.
    public let remoteAddress: Multiaddr
    /// Whether this node dialled, so that the remote address is one that it can be dialled at.
    public let isDialled: Bool
    /// Where it sees this node.
    public let observed: Multiaddr?
}
