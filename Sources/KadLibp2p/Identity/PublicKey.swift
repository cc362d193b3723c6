import Multiformats

/// A peer's public key, by which it is named and signs.
public struct PublicKey: Hashable, Sendable {
    public enum Algorithm: Hashable, Sendable { case rsa, ed25519, secp256k1, ecdsa }
    public let algorithm: Algorithm
    /// The protobuf message that peer ids are made from, as it came.
    public let encoded: [UInt8]

    public init(encoded: [UInt8]) throws(KeyError) { throw .malformed }

    public var peerID: PeerID { get throws(KeyError) { throw .malformed } }

    public func isSignature(_ signature: [UInt8], of message: [UInt8]) throws(KeyError) -> Bool { false }
}

public enum KeyError: Error, Hashable, Sendable {
    case malformed
    case unsupported(PublicKey.Algorithm)
}
