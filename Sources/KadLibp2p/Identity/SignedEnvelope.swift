import Multiformats
import SwiftProtobuf

/// Why a signed envelope or what is in it is not believed.
public enum EnvelopeError: Error, Hashable, Sendable, CustomStringConvertible {
    case malformed
    /// Over the limit, in bytes.
    case tooLong(count: Int, limit: Int)
    /// The signer's key is none, or its signatures cannot be checked.
    case key(KeyError)
    /// The signature is not one of this payload, for this purpose, under this key.
    case badSignature
    /// The payload is of another type.
    case payloadType([UInt8])
    /// A peer record signed by somebody else than the peer it is of.
    case wrongSigner(PeerID)

    public var description: String {
        switch self {
        case .malformed: "a signed envelope is malformed"
        case .tooLong(let count, let limit): "a signed envelope has \(count) bytes, over the limit of \(limit)"
        case .key(let error): "the key of a signed envelope cannot be used: \(error)"
        case .badSignature: "the signature of a signed envelope is wrong"
        case .payloadType: "a signed envelope holds something else"
        case .wrongSigner(let peer): "a peer record is signed by \(PeerIDEncoding.libp2p.encode(peer)), not its subject"
        }
    }
}

/// A payload, signed for a purpose. Every value of this type has been verified, or signed here.
///
/// The purpose (`domain`) is signed and not sent: what was signed for one cannot be shown for another.
public struct SignedEnvelope: Hashable, Sendable {
    public let publicKey: PublicKey
    public let payloadType: [UInt8]
    public let payload: [UInt8]
    public let signature: [UInt8]

    /// The most bytes that are read: a peer record with hundreds of addresses.
    public static let byteLimit = 64 * 1024

    /// Signs a payload.
    public init(
        sealing payload: [UInt8], type payloadType: [UInt8], domain: String, keys: KeyPair
    ) throws(EnvelopeError) {
        publicKey = keys.publicKey
        self.payloadType = payloadType
        self.payload = payload
        do throws(KeyError) {
            signature = try keys.sign(Self.signedBytes(domain: domain, type: payloadType, payload: payload))
        } catch {
            throw .key(error)
        }
    }

    /// Reads an envelope and verifies its signature.
    ///
    /// - Throws: ``EnvelopeError``: `tooLong`, `malformed`, `key` (with `unsupported` where nothing can be said of the
    ///   signature), `badSignature`.
    public init(encoded: [UInt8], domain: String) throws(EnvelopeError) {
        guard encoded.count <= Self.byteLimit else { throw .tooLong(count: encoded.count, limit: Self.byteLimit) }
        guard let message = try? SignedEnvelopeMessage(serializedBytes: encoded) else { throw .malformed }
        payloadType = Array(message.payloadType)
        payload = Array(message.payload)
        signature = Array(message.signature)
        let isGenuine: Bool
        do throws(KeyError) {
            publicKey = try PublicKey(encoded: Array(message.publicKey))
            let signed = Self.signedBytes(domain: domain, type: payloadType, payload: payload)
            isGenuine = try publicKey.isSignature(signature, of: signed)
        } catch {
            throw .key(error)
        }
        guard isGenuine else { throw .badSignature }
    }

    /// The `Envelope` message.
    public var encoded: [UInt8] {
        get throws(EnvelopeError) {
            var message = SignedEnvelopeMessage()
            message.publicKey = .init(publicKey.encoded)
            message.payloadType = .init(payloadType)
            message.payload = .init(payload)
            message.signature = .init(signature)
            guard let bytes: [UInt8] = try? message.serializedBytes() else { throw .malformed }
            return bytes
        }
    }

    /// Domain, type and payload, each after its length: no two triples have the same bytes.
    private static func signedBytes(domain: String, type: [UInt8], payload: [UInt8]) -> [UInt8] {
        var bytes: [UInt8] = []
        for part in [Array(domain.utf8), type, payload] {
            Varint.append(UInt64(part.count), to: &bytes)
            bytes.append(contentsOf: part)
        }
        return bytes
    }
}
