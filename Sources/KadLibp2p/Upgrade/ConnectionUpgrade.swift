import Crypto
import Multiformats
import NIOCore

/// Which end of a connection this is.
enum Role: Hashable, Sendable { case dialer, listener }

/// From a raw connection to a secured and multiplexed one: multistream-select, Noise, multistream-select, Yamux. Bytes in,
/// bytes out: no socket, no clock, no randomness of its own.
struct ConnectionUpgrade {
    struct Progress {
        /// To be written to the socket as it is.
        var send: ByteBuffer?
        var established: Established?
    }

    struct Established {
        let remoteKey: PublicKey
        let remote: PeerID
        var channel: SecureChannel
        /// Ciphertext that came behind the last message.
        var leftover: ByteBuffer
        /// Plaintext that came behind the muxer's agreement.
        var plaintext: ByteBuffer
    }

    init(role: Role, keys: KeyPair, expecting: PeerID?, ephemeral: Curve25519.KeyAgreement.PrivateKey) {}

    mutating func begin() throws(UpgradeError) -> ByteBuffer? { nil }
    mutating func receive(_ bytes: inout ByteBuffer) throws(UpgradeError) -> Progress { throw .unfinished }
}

enum UpgradeError: Error, Hashable, Sendable {
    case unfinished
    /// Somebody else than the one who was dialled.
    case wrongIdentity(PeerID)
}

/// The two Noise ciphers of an established connection.
struct SecureChannel {
    mutating func seal(_ plaintext: ByteBuffer, into output: inout ByteBuffer) throws(UpgradeError) {}
    /// - Returns: all plaintext of the whole frames in `bytes`; what remains of them is left there.
    mutating func open(_ bytes: inout ByteBuffer) throws(UpgradeError) -> ByteBuffer { throw .unfinished }
}
