import Kademlia
import Multiformats

/// One address of a peer, and what became of it.
public struct AddressRecord: Hashable, Sendable {
    public var address: Multiaddr
    /// When it was first heard of.
    public var firstSeen: Instant
    /// When it was last heard of or used.
    public var lastSeen: Instant
    /// When the peer last answered there: the address is then verified to be the peer's.
    public var lastOK: Instant?
    /// Failures in a row since then.
    public var failures: Int
    /// Who told of it: a peer's id, a file, a command.
    public var source: String?

    public init(
        address: Multiaddr, firstSeen: Instant, lastSeen: Instant, lastOK: Instant? = nil, failures: Int = 0,
        source: String? = nil
    ) {
        self.address = address
        self.firstSeen = firstSeen
        self.lastSeen = lastSeen
        self.lastOK = lastOK
        self.failures = failures
        self.source = source
    }

    /// The most addresses that are kept of one peer: more are an attack or a mistake.
    public static let maximumPerPeer = 64
    /// The most bytes of one peer's addresses together. The usual ones have 8 to 100 each; one of the longest has 1,024, and 64
    /// of those for each peer would fill gigabytes.
    public static let maximumBytesPerPeer = 8_192

    /// The order to dial in: answered lately, then not failed, then heard of lately; bytes decide what is left, so that
    /// the order never depends on how a list was merged.
    static func dialOrder(_ left: AddressRecord, _ right: AddressRecord) -> Bool {
        let (leftOK, rightOK) = (left.lastOK?.milliseconds ?? .min, right.lastOK?.milliseconds ?? .min)
        if leftOK != rightOK { return leftOK > rightOK }
        if left.failures != right.failures { return left.failures < right.failures }
        if left.lastSeen != right.lastSeen { return left.lastSeen > right.lastSeen }
        return left.address < right.address
    }
}
