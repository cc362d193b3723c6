import Crypto
import SwiftProtobuf

/// Who a node is in its Noise handshakes: a static key, and the payload by which its identity key vouches for it.
///
/// One static key serves all connections. It is derived from the identity key and not drawn, so that a node is the same value
/// whenever it is loaded; the derivation is one-way, so the static key says nothing of the identity key.
struct NoiseIdentity: Sendable {
    let staticKey: Curve25519.KeyAgreement.PrivateKey
    /// The `NoisePayload` message of the handshake's last two messages.
    let payload: [UInt8]

    private static let derivation = Array("kadstore noise static key".utf8)
    /// What a static key is signed with, so that the signature means nothing elsewhere.
    private static let signedPrefix = Array("noise-libp2p-static-key:".utf8)

    init(of key: Curve25519.Signing.PrivateKey, publicKey: PublicKey) throws(KeyError) {
        let secret = HKDF<SHA256>.deriveKey(
            inputKeyMaterial: SymmetricKey(data: key.rawRepresentation), info: Self.derivation, outputByteCount: 32)
        guard
            let staticKey = try? secret.withUnsafeBytes({
                try Curve25519.KeyAgreement.PrivateKey(rawRepresentation: $0)
            }),
            let signature = try? key.signature(for: Self.signedBytes(of: staticKey.publicKey))
        else { throw .signing }
        var message = NoisePayload()
        message.identityKey = .init(publicKey.encoded)
        message.identitySig = .init(signature)
        guard let payload: [UInt8] = try? message.serializedBytes() else { throw .malformed }
        self.staticKey = staticKey
        self.payload = payload
    }

    /// The identity key that a payload proves to own `staticKey`.
    ///
    /// - Throws: ``NoiseError``: `payload`, `key`, `badSignature`.
    static func verified(
        payload: [UInt8], of staticKey: Curve25519.KeyAgreement.PublicKey
    ) throws(NoiseError) -> PublicKey {
        guard let message = try? NoisePayload(serializedBytes: payload) else { throw .payload }
        let key: PublicKey
        let isGenuine: Bool
        do throws(KeyError) {
            key = try PublicKey(encoded: Array(message.identityKey))
            isGenuine = try key.isSignature(Array(message.identitySig), of: signedBytes(of: staticKey))
        } catch {
            throw .key(error)
        }
        guard isGenuine else { throw .badSignature }
        return key
    }

    private static func signedBytes(of key: Curve25519.KeyAgreement.PublicKey) -> [UInt8] {
        signedPrefix + key.rawRepresentation
    }
}
