import Crypto
import Multiformats

/// A node's own Ed25519 key.
public struct KeyPair: Sendable {
    let privateKey: Curve25519.Signing.PrivateKey
    public let publicKey: PublicKey
    public let peerID: PeerID

    /// A new one, drawn from the system's generator.
    public init() throws(KeyError) { throw .malformed }
    /// - Parameter seed: 32 bytes.
    public init(seed: [UInt8]) throws(KeyError) { throw .malformed }

    public func sign(_ message: [UInt8]) -> [UInt8] { [] }
}
