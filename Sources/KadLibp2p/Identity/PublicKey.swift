import Crypto
import CryptoExtras
import Multiformats
import SwiftProtobuf

/// A peer's public key, by which it is named and signs.
///
/// Equal keys have equal bytes: of the encodings that protobuf and DER allow, only the one that peer ids are made from is
/// read (the libp2p peer-id specification demands a deterministic one), so that no key has two names.
public struct PublicKey: Hashable, Sendable {
    public enum Algorithm: Hashable, Sendable, CaseIterable { case rsa, ed25519, secp256k1, ecdsa }

    public let algorithm: Algorithm
    /// The protobuf message that peer ids are made from, as it came: at most ``byteLimit`` bytes.
    public let encoded: [UInt8]
    /// The multihash of ``encoded``: itself where it has at most 42 bytes, else its SHA-256.
    public let peerID: PeerID

    private let material: Material

    /// The most bytes of an encoded key that are read. An RSA key of 8192 bits takes 1,068.
    public static let byteLimit = 2048

    /// The sizes of RSA keys that are taken, in bits. The lower bound is that of all implementations, the upper one that of
    /// go-libp2p: what a signature costs to check grows with the square.
    public static let rsaBits = 2048...8192

    /// A key from its `PublicKey` message.
    ///
    /// A secp256k1 key is read, so that it has a peer id; its signatures cannot be checked.
    ///
    /// - Throws: ``KeyError``: `tooLong`, `malformed`, `rsaSize`; `unsupported` for ECDSA on another curve than P-256.
    public init(encoded: [UInt8]) throws(KeyError) {
        guard encoded.count <= Self.byteLimit else { throw .tooLong(count: encoded.count, limit: Self.byteLimit) }
        guard let message = Self.decoded(encoded) else { throw .malformed }
        material = try Material(message)
        algorithm = material.algorithm
        self.encoded = encoded
        peerID = try Self.peerID(of: encoded)
    }

    /// - Parameter ed25519: our own key, which needs no check.
    init(ed25519 key: Curve25519.Signing.PublicKey) throws(KeyError) {
        var message = PublicKeyMessage()
        message.type = .ed25519
        message.data = key.rawRepresentation
        guard let encoded: [UInt8] = try? message.serializedBytes() else { throw .malformed }
        self.encoded = encoded
        material = .ed25519(key)
        algorithm = .ed25519
        peerID = try Self.peerID(of: encoded)
    }

    /// Whether `signature` is one of `message` under this key.
    ///
    /// Ed25519: 64 bytes. RSA: PKCS #1 v1.5 over SHA-256. ECDSA: over SHA-256, in DER.
    ///
    /// - Throws: ``KeyError/unsupported(_:)`` for secp256k1, of which nothing can be said.
    public func isSignature(_ signature: [UInt8], of message: [UInt8]) throws(KeyError) -> Bool {
        switch material {
        case .ed25519(let key):
            return signature.count == Self.ed25519SignatureCount && key.isValidSignature(signature, for: message)
        case .rsa(let key):
            let signature = _RSA.Signing.RSASignature(rawRepresentation: signature)
            return key.isValidSignature(signature, for: message, padding: .insecurePKCS1v1_5)
        case .ecdsa(let key):
            guard let signature = try? P256.Signing.ECDSASignature(derRepresentation: signature) else { return false }
            return key.isValidSignature(signature, for: message)
        case .secp256k1: throw .unsupported(.secp256k1)
        }
    }

    public static func == (left: PublicKey, right: PublicKey) -> Bool { left.encoded == right.encoded }

    public func hash(into hasher: inout Hasher) { hasher.combine(encoded) }

    private static let ed25519SignatureCount = 64

    /// The message in `encoded`; nil where `encoded` is not the one form of it.
    private static func decoded(_ encoded: [UInt8]) -> PublicKeyMessage? {
        var options = BinaryDecodingOptions()
        options.discardUnknownFields = true
        guard let message = try? PublicKeyMessage(serializedBytes: encoded, options: options),
            let again: [UInt8] = try? message.serializedBytes(), again == encoded
        else { return nil }
        return message
    }

    /// The longest encoded key that is its own peer id, in bytes: set by the specification so that Ed25519 keys (36) are.
    private static let inlineLimit = 42

    private static func peerID(of encoded: [UInt8]) throws(KeyError) -> PeerID {
        let isInline = encoded.count <= inlineLimit
        let digest = isInline ? encoded : Array(SHA256.hash(data: encoded))
        // Multihash codes: identity 0x00, sha2-256 0x12.
        guard let id = PeerID([isInline ? 0x00 : 0x12, UInt8(truncatingIfNeeded: digest.count)] + digest) else {
            throw .malformed
        }
        return id
    }
}

extension PublicKey {
    /// The key as the library that checks with it has it.
    private enum Material: Sendable {
        case ed25519(Curve25519.Signing.PublicKey)
        case rsa(_RSA.Signing.PublicKey)
        case ecdsa(P256.Signing.PublicKey)
        case secp256k1

        init(_ message: PublicKeyMessage) throws(KeyError) {
            switch message.type {
            case .ed25519:
                guard let key = try? Curve25519.Signing.PublicKey(rawRepresentation: message.data) else {
                    throw .malformed
                }
                self = .ed25519(key)
            case .rsa:
                guard let key = try? _RSA.Signing.PublicKey(unsafeDERRepresentation: message.data),
                    key.derRepresentation == message.data
                else { throw .malformed }
                guard PublicKey.rsaBits.contains(key.keySizeInBits) else { throw .rsaSize(bits: key.keySizeInBits) }
                self = .rsa(key)
            case .ecdsa:
                // Keys of other curves exist, and are not told from what is no key.
                guard let key = try? P256.Signing.PublicKey(derRepresentation: message.data),
                    key.derRepresentation == message.data
                else { throw .unsupported(.ecdsa) }
                self = .ecdsa(key)
            case .secp256K1:
                // A compressed point: the sign of y, and x.
                guard message.data.count == 33, let sign = message.data.first, sign == 2 || sign == 3 else {
                    throw .malformed
                }
                self = .secp256k1
            }
        }

        var algorithm: Algorithm {
            switch self {
            case .ed25519: .ed25519
            case .rsa: .rsa
            case .ecdsa: .ecdsa
            case .secp256k1: .secp256k1
            }
        }
    }
}
