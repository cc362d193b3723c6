import Crypto

/// One end of a handshake by `Noise_XX_25519_ChaChaPoly_SHA256` (The Noise Protocol Framework, revision 34):
///
///     -> e
///     <- e, ee, s, es
///     -> s, se
///
/// A message that is refused leaves the state half-way: the connection is to be closed then.
struct NoiseHandshake {
    /// The initiator's ciphers and the responder's are mirror images.
    struct Ciphers {
        var sending: NoiseCipher
        var receiving: NoiseCipher
    }

    private static let keyCount = 32

    private let role: Role
    private let staticKey: Curve25519.KeyAgreement.PrivateKey
    private let ephemeralKey: Curve25519.KeyAgreement.PrivateKey
    private var remoteEphemeral: Curve25519.KeyAgreement.PublicKey?
    /// The other end's static key, once its message has been read. It is the payload's part to say whose it is.
    private(set) var remoteStatic: Curve25519.KeyAgreement.PublicKey?
    private var symmetric = NoiseSymmetricState(protocolName: "Noise_XX_25519_ChaChaPoly_SHA256")
    /// Messages written and read.
    private var messageCount = 0

    /// - Parameters:
    ///   - ephemeral: never used before.
    ///   - prologue: empty in libp2p.
    init(
        role: Role, staticKey: Curve25519.KeyAgreement.PrivateKey, ephemeral: Curve25519.KeyAgreement.PrivateKey,
        prologue: [UInt8] = []
    ) {
        self.role = role
        self.staticKey = staticKey
        ephemeralKey = ephemeral
        symmetric.mix(hash: prologue)
    }

    /// Whether all three messages have gone.
    var isComplete: Bool { messageCount == 3 }
    /// Whether the next message is this end's.
    var isOurTurn: Bool { !isComplete && messageCount.isMultiple(of: 2) == (role == .dialer) }
    /// The hash of the whole handshake: the same at both ends, and of no other connection.
    var hash: [UInt8] { symmetric.hash }

    /// The next message, with a payload: in the clear in the first, in the others sealed.
    mutating func write(payload: [UInt8]) throws(NoiseError) -> [UInt8] {
        guard isOurTurn else { throw .outOfTurn }
        var message: [UInt8] = []
        if messageCount < 2 {
            let key = ephemeralKey.publicKey.rawRepresentation
            message += key
            symmetric.mix(hash: key)
        }
        if messageCount == 1 { try agree(ephemeralKey, remoteEphemeral) }
        if messageCount > 0 {
            message += try symmetric.seal(Array(staticKey.publicKey.rawRepresentation))
            try agree(staticKey, remoteEphemeral)
        }
        message += try symmetric.seal(payload)
        messageCount += 1
        return message
    }

    /// Reads the next message.
    ///
    /// - Returns: its payload. That of the first message is not authentic.
    mutating func read(_ message: [UInt8]) throws(NoiseError) -> [UInt8] {
        guard !isComplete, !isOurTurn else { throw .outOfTurn }
        var rest = message[...]
        if messageCount < 2 {
            let key = try Self.take(Self.keyCount, from: &rest)
            remoteEphemeral = try Self.publicKey(Array(key))
            symmetric.mix(hash: key)
        }
        if messageCount == 1 { try agree(ephemeralKey, remoteEphemeral) }
        if messageCount > 0 {
            let key = try symmetric.open(Self.take(Self.keyCount + NoiseCipher.tagCount, from: &rest))
            remoteStatic = try Self.publicKey(key)
            try agree(ephemeralKey, remoteStatic)
        }
        let payload = try symmetric.open(rest)
        messageCount += 1
        return payload
    }

    /// The ciphers of the connection, after the third message.
    func split() throws(NoiseError) -> Ciphers {
        guard isComplete else { throw .outOfTurn }
        let (initiator, responder) = symmetric.split()
        return switch role {
        case .dialer: Ciphers(sending: initiator, receiving: responder)
        case .listener: Ciphers(sending: responder, receiving: initiator)
        }
    }

    private mutating func agree(
        _ own: Curve25519.KeyAgreement.PrivateKey, _ other: Curve25519.KeyAgreement.PublicKey?
    ) throws(NoiseError) {
        guard let other else { throw .outOfTurn }
        guard let secret = try? own.sharedSecretFromKeyAgreement(with: other) else { throw .library }
        // swift-crypto, as CryptoKit, hands out the secret of a key of low order: zero, whoever agrees with it (RFC 7748,
        // section 6.1). All bytes are looked at, so that time tells nothing of another secret.
        guard secret.withUnsafeBytes({ $0.reduce(0, |) }) != 0 else { throw .weakKey }
        symmetric.mix(secret: secret)
    }

    private static func publicKey(_ bytes: [UInt8]) throws(NoiseError) -> Curve25519.KeyAgreement.PublicKey {
        guard let key = try? Curve25519.KeyAgreement.PublicKey(rawRepresentation: bytes) else { throw .truncated }
        return key
    }

    private static func take(
        _ count: Int, from bytes: inout ArraySlice<UInt8>
    ) throws(NoiseError) -> ArraySlice<UInt8> {
        guard bytes.count >= count else { throw .truncated }
        defer { bytes = bytes.dropFirst(count) }
        return bytes.prefix(count)
    }
}
