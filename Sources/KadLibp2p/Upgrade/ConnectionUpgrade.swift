import Crypto
import Multiformats
import NIOCore

/// From a raw connection to a secured and multiplexed one: multistream-select, Noise, multistream-select, Yamux. Bytes in,
/// bytes out: no socket, no clock, no randomness of its own.
///
/// What comes before the other end is known is bounded: ``byteLimit`` in all, ``handshakeLimit`` a message, and as many
/// proposals as ``MultistreamNegotiation/proposalLimit``. How long it may take is the caller's to bound.
struct ConnectionUpgrade {
    struct Progress {
        /// To be written to the socket as it is.
        var send: ByteBuffer?
        /// Comes once; call no more after it.
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

    static let securityProtocol = "/noise"
    static let muxerProtocol = "/yamux/1.0.0"

    /// The most bytes that are read before the agreement, but for the one frame that reaches over it: more than two
    /// negotiations with all their proposals and a handshake with the longest RSA key can take.
    static let byteLimit = 64 * 1024

    /// The most bytes of a handshake message: an RSA key of 8,192 bits and its signature take 2,100, and some hundreds are
    /// left for extensions of each kind.
    static let handshakeLimit = 8 * 1024

    private let role: Role
    private let keys: KeyPair
    private let expected: PeerID?
    private var stage: Stage
    /// What has come and is not read yet: less than a line or frame between calls.
    private var pending = ByteBuffer()
    private var readCount = 0

    private enum Stage {
        case security(MultistreamNegotiation, then: NoiseHandshake)
        case handshake(NoiseHandshake)
        case muxer(MultistreamNegotiation, Authenticated)
        case ended(UpgradeError)
    }

    /// Who is at the other end, and what comes from there.
    private struct Authenticated {
        let key: PublicKey
        var channel: SecureChannel
        /// Opened, and not read yet.
        var plaintext = ByteBuffer()
    }

    /// - Parameters:
    ///   - expecting: the peer that is dialled; nil takes anybody.
    ///   - ephemeral: never used before.
    init(role: Role, keys: KeyPair, expecting: PeerID?, ephemeral: Curve25519.KeyAgreement.PrivateKey) {
        self.role = role
        self.keys = keys
        expected = expecting
        stage = .security(
            MultistreamNegotiation(role: role, protocols: [Self.securityProtocol]),
            then: NoiseHandshake(role: role, staticKey: keys.noise.staticKey, ephemeral: ephemeral))
    }

    /// What is to be sent before anything has come: a dialer's proposal, and behind it the first message of the handshake.
    ///
    /// That saves a round trip and risks nothing: there is no second proposal that the message could be in the way of, and it
    /// says nothing of this end. Listeners read line by line; rust-libp2p dials like this too (its `V1Lazy`).
    mutating func begin() throws(UpgradeError) -> ByteBuffer? {
        guard case .security(let negotiation, var handshake) = stage else { throw .over }
        guard var output = negotiation.begin() else { return nil }
        // The first message has no payload: it would be readable.
        try write([], of: &handshake, into: &output)
        stage = .security(negotiation, then: handshake)
        return output
    }

    /// Takes all of `bytes`, which need not be whole messages.
    ///
    /// - Throws: ``UpgradeError``; the connection is to be closed then, and every later call throws the same.
    mutating func receive(_ bytes: inout ByteBuffer) throws(UpgradeError) -> Progress {
        if case .ended(let error) = stage { throw error }
        pending.writeBuffer(&bytes)
        var output = ByteBuffer()
        do throws(UpgradeError) {
            var established: Established?
            while established == nil, try step(into: &output, established: &established) {}
            return Progress(send: output.readableBytes > 0 ? output : nil, established: established)
        } catch {
            stage = .ended(error)
            pending.clear()
            throw error
        }
    }

    /// Reads one frame, or the lines of a negotiation.
    ///
    /// - Returns: whether there can be more to read.
    private mutating func step(
        into output: inout ByteBuffer, established: inout Established?
    ) throws(UpgradeError) -> Bool {
        guard readCount <= Self.byteLimit else { throw .tooLong(limit: Self.byteLimit) }
        let before = pending.readableBytes
        switch stage {
        case .security(var negotiation, let handshake):
            let isAgreed = try negotiate(&negotiation, of: .security, reading: &pending, into: &output)
            stage = isAgreed ? .handshake(handshake) : .security(negotiation, then: handshake)
        case .handshake(let handshake):
            guard let message = try handshakeMessage() else { return false }
            try shake(handshake, message, into: &output)
        case .muxer(var negotiation, var other):
            guard try other.channel.openFrame(of: &pending, into: &other.plaintext) else { return false }
            var answer = ByteBuffer()
            let isAgreed = try negotiate(&negotiation, of: .multiplexing, reading: &other.plaintext, into: &answer)
            try other.channel.seal(answer, into: &output)
            if isAgreed {
                established = Established(
                    remoteKey: other.key, remote: other.key.peerID, channel: other.channel, leftover: pending,
                    plaintext: other.plaintext)
                stage = .ended(.over)
                pending = ByteBuffer()
                return false
            }
            stage = .muxer(negotiation, other)
        case .ended(let error): throw error
        }
        readCount += before - pending.readableBytes
        return pending.readableBytes < before
    }

    private func negotiate(
        _ negotiation: inout MultistreamNegotiation, of subject: UpgradeError.Subject, reading bytes: inout ByteBuffer,
        into output: inout ByteBuffer
    ) throws(UpgradeError) -> Bool {
        do throws(MultistreamError) {
            let progress = try negotiation.receive(&bytes)
            if var send = progress.send { output.writeBuffer(&send) }
            return progress.agreed != nil
        } catch {
            throw .negotiation(of: subject, error)
        }
    }

    // MARK: The handshake

    /// The handshake message at the front; nil while it is not whole. Its length is judged before its bytes are there.
    private mutating func handshakeMessage() throws(UpgradeError) -> [UInt8]? {
        guard let count = NoiseFrame.declaredCount(in: pending) else { return nil }
        guard count <= Self.handshakeLimit else {
            throw .noise(.tooLong(count: count, limit: Self.handshakeLimit))
        }
        return NoiseFrame.read(from: &pending).map { Array($0.readableBytesView) }
    }

    /// Reads a message; answers it with the next one, or with a dialer's proposal of the muxer behind its last.
    private mutating func shake(
        _ handshake: NoiseHandshake, _ message: [UInt8], into output: inout ByteBuffer
    ) throws(UpgradeError) {
        var handshake = handshake
        let key: PublicKey?
        do throws(NoiseError) {
            let payload = try handshake.read(message)
            if let staticKey = handshake.remoteStatic {
                key = try NoiseIdentity.verified(payload: payload, of: staticKey)
            } else {
                key = nil
            }
        } catch {
            throw .noise(error)
        }
        // Before the last message, by which a dialer would tell a stranger who it is.
        if let key, let expected, key.peerID != expected { throw .wrongIdentity(key.peerID) }
        if handshake.isOurTurn { try write(keys.noise.payload, of: &handshake, into: &output) }
        guard handshake.isComplete, let key else {
            stage = .handshake(handshake)
            return
        }
        var other = Authenticated(key: key, channel: SecureChannel(try ciphers(of: handshake)))
        let negotiation = MultistreamNegotiation(role: role, protocols: [Self.muxerProtocol])
        if let proposal = negotiation.begin() { try other.channel.seal(proposal, into: &output) }
        stage = .muxer(negotiation, other)
    }

    private func write(
        _ payload: [UInt8], of handshake: inout NoiseHandshake, into output: inout ByteBuffer
    ) throws(UpgradeError) {
        do throws(NoiseError) {
            NoiseFrame.append(try handshake.write(payload: payload), to: &output)
        } catch {
            throw .noise(error)
        }
    }

    private func ciphers(of handshake: NoiseHandshake) throws(UpgradeError) -> NoiseHandshake.Ciphers {
        do throws(NoiseError) {
            return try handshake.split()
        } catch {
            throw .noise(error)
        }
    }
}
