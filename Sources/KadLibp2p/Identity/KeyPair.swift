import Crypto
import Multiformats
import SwiftProtobuf

/// A node's own Ed25519 key.
public struct KeyPair: Sendable {
    let privateKey: Curve25519.Signing.PrivateKey
    public let publicKey: PublicKey
    /// What it says of itself in every handshake, signed once.
    let noise: NoiseIdentity

    public var peerID: PeerID { publicKey.peerID }

    /// A new one, drawn from the system's generator.
    public init() throws(KeyError) { try self.init(Curve25519.Signing.PrivateKey()) }

    /// The key of a seed: the same each time.
    ///
    /// - Parameter seed: 32 bytes.
    public init(seed: [UInt8]) throws(KeyError) {
        guard let key = try? Curve25519.Signing.PrivateKey(rawRepresentation: seed) else { throw .malformed }
        try self.init(key)
    }

    /// A key from its libp2p `PrivateKey` message.
    ///
    /// Its data are the seed (as py-libp2p writes it), the seed and the public key (as go-libp2p does), or the seed and the
    /// public key twice (as it did once).
    ///
    /// - Throws: ``KeyError``: `malformed`, `unsupported` for other algorithms, `mismatchedHalves`.
    public init(encoded: [UInt8]) throws(KeyError) {
        guard encoded.count <= PublicKey.byteLimit else {
            throw .tooLong(count: encoded.count, limit: PublicKey.byteLimit)
        }
        guard let message = try? PrivateKeyMessage(serializedBytes: encoded) else { throw .malformed }
        switch message.type {
        case .ed25519: break
        case .rsa: throw .unsupported(.rsa)
        case .secp256K1: throw .unsupported(.secp256k1)
        case .ecdsa: throw .unsupported(.ecdsa)
        }
        let data = Array(message.data)
        let copies = data.count / Self.seedCount - 1
        guard data.count.isMultiple(of: Self.seedCount), (0...2).contains(copies) else { throw .malformed }
        try self.init(seed: Array(data.prefix(Self.seedCount)))
        let half = Array(privateKey.publicKey.rawRepresentation)
        guard data.dropFirst(Self.seedCount).elementsEqual(repeatElement(half, count: copies).joined()) else {
            throw .mismatchedHalves
        }
    }

    private init(_ key: Curve25519.Signing.PrivateKey) throws(KeyError) {
        privateKey = key
        publicKey = try PublicKey(ed25519: key.publicKey)
        noise = try NoiseIdentity(of: key, publicKey: publicKey)
    }

    /// The libp2p `PrivateKey` message, 68 bytes, as go-libp2p writes it: a secret.
    public var encoded: [UInt8] {
        get throws(KeyError) {
            var message = PrivateKeyMessage()
            message.type = .ed25519
            message.data = privateKey.rawRepresentation + privateKey.publicKey.rawRepresentation
            guard let bytes: [UInt8] = try? message.serializedBytes() else { throw .malformed }
            return bytes
        }
    }

    /// A signature of `message`: 64 bytes.
    public func sign(_ message: [UInt8]) throws(KeyError) -> [UInt8] {
        guard let signature = try? privateKey.signature(for: message) else { throw .signing }
        return Array(signature)
    }

    private static let seedCount = 32
}
