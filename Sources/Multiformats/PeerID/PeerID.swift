/// The identity of a node: the bytes its network gives it, 1 to 128 of them.
///
/// For libp2p that is the multihash of the public key, for mainline DHT and its kin the 20-byte node id, for devp2p the
/// 64-byte public key. It has no text of its own, because the text depends on the network: see ``PeerIDEncoding``.
///
/// The bytes are a slice, so that the ids of a whole batch can share one buffer.
public struct PeerID: Hashable, Sendable, Comparable {
    /// The lengths an id can have, in bytes.
    public static let byteCounts = 1...128

    public let bytes: ArraySlice<UInt8>

    /// An id that keeps `bytes`, and with it the buffer they lie in; nil for none or more than 128.
    public init?(_ bytes: ArraySlice<UInt8>) {
        guard Self.byteCounts.contains(bytes.count) else { return nil }
        self.bytes = bytes
    }

    /// An id of `bytes`; nil for none or more than 128.
    public init?(_ bytes: [UInt8]) { self.init(bytes[...]) }

    public static func == (left: PeerID, right: PeerID) -> Bool { left.bytes.hasSameBytes(as: right.bytes) }

    public func hash(into hasher: inout Hasher) { bytes.hashBytes(into: &hasher) }

    /// Lexicographic order of the bytes.
    public static func < (left: PeerID, right: PeerID) -> Bool { left.bytes.isOrdered(before: right.bytes) }
}
