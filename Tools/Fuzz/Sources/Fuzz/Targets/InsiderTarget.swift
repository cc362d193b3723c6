import Crypto
import Kademlia
import Multiformats
import NIOCore

@testable import KadLibp2p

/// One end, and at the other somebody who has keys of his own, keeps the Noise protocol and lies within it. Without any
/// decision he is honest.
struct Insider {
    /// Of the end under test.
    private let role: Role
    private let keys = FuzzKeys.fixed
    private var upgrade: ConnectionUpgrade
    private var handshake: NoiseHandshake
    private var script: FuzzScript
    private var fromEnd = ByteBuffer()
    private var established: ConnectionUpgrade.Established?
    /// Whether the end has reason to refuse him.
    private var hasLied = false
    private let expected: PeerID?

    init(_ bytes: [UInt8]) {
        script = FuzzScript(bytes)
        role = script.byte().isMultiple(of: 2) ? .listener : .dialer
        expected = role == .listener ? nil : [keys.stranger.peerID, nil, keys.dialer.peerID][script.byte() % 3]
        upgrade = ConnectionUpgrade(
            role: role, keys: keys.listener, expecting: expected, ephemeral: keys.ephemerals[0])
        handshake = NoiseHandshake(
            role: role == .dialer ? .listener : .dialer, staticKey: keys.stranger.noise.staticKey,
            ephemeral: keys.ephemerals[1])
    }

    /// Plays it through. He is believed to be himself, or nobody.
    mutating func run() throws {
        if let begun = try upgrade.begin() { fromEnd.writeImmutableBuffer(begun) }
        do {
            try play()
        } catch let error as Broken {
            throw error
        } catch {
            // The end has refused him, or he can make nothing of what it says.
            let isExpected = expected == nil || expected == keys.stranger.peerID
            try Broken.unless(hasLied || !isExpected, "an honest end is refused: \(error)")
            if !hasLied, case .wrongIdentity(let found)? = error as? UpgradeError {
                try Broken.unless(found == keys.stranger.peerID, "somebody else is refused")
            }
            return
        }
        guard let established else { return try Broken.unless(hasLied, "an honest end waits for ever") }
        try Broken.unless(established.remote == keys.stranger.peerID, "somebody else is believed")
        try Broken.unless(expected == nil || expected == established.remote, "another is dialled than answers")
    }

    private mutating func play() throws {
        var negotiation = MultistreamNegotiation(
            role: handshakeRole, protocols: [ConnectionUpgrade.securityProtocol])
        if let first = negotiation.begin() { try say(first) }
        if handshakeRole == .listener { try answer(&negotiation) }
        if handshake.isOurTurn { try sayMessage() }
        if handshakeRole == .dialer {
            guard try negotiation.receive(&fromEnd).agreed != nil else { return }
        }
        while !handshake.isComplete {
            guard let message = NoiseFrame.read(from: &fromEnd) else { return }
            _ = try handshake.read(Array(message.readableBytesView))
            if handshake.isOurTurn { try sayMessage() }
        }
        try multiplex()
    }

    private var handshakeRole: Role { role == .dialer ? .listener : .dialer }

    private mutating func answer(_ negotiation: inout MultistreamNegotiation) throws {
        let progress = try negotiation.receive(&fromEnd)
        if let answer = progress.send { try say(answer) }
        if handshake.isOurTurn { return }
        guard let message = NoiseFrame.read(from: &fromEnd) else { return }
        _ = try handshake.read(Array(message.readableBytesView))
    }

    /// Sends bytes, changed or in pieces where the script says so.
    private mutating func say(_ bytes: ByteBuffer) throws {
        var bytes = bytes
        if script.tamper(with: &bytes) { hasLied = true }
        while bytes.readableBytes > 0, established == nil {
            var piece = script.piece(of: &bytes)
            guard piece.readableBytes > 0 else { continue }
            let progress = try upgrade.receive(&piece)
            if let send = progress.send { fromEnd.writeImmutableBuffer(send) }
            established = progress.established
        }
    }

    private mutating func sayMessage() throws {
        let message = try handshake.write(payload: try payload())
        var frame = ByteBuffer()
        NoiseFrame.append(message, to: &frame)
        try say(frame)
    }

    /// What he says of himself: the first message's is not looked at.
    private mutating func payload() throws -> [UInt8] {
        guard handshake.remoteStatic != nil || handshakeRole == .listener else { return script.bytes(script.byte()) }
        var payload = keys.stranger.noise.payload
        switch script.byte() % 8 {
        case 1:
            // Another's key, for which he cannot sign.
            hasLied = true
            let key = script.choice(of: try FuzzedKeyForms.all() + [keys.listener.publicKey.encoded])
            payload = FuzzSeeds.field(1, key) + FuzzSeeds.field(2, script.bytes(64))
        case 2:
            // Another's words for his own static key.
            hasLied = true
            payload = keys.dialer.noise.payload
        case 3: payload += FuzzSeeds.field(4, script.bytes(script.byte()))
        case 4:
            hasLied = true
            payload = script.bytes(script.length())
        default: break
        }
        let isGenuine = payload
        // What of it still stands for the same is the library's to say: a lie is what changes a byte.
        if script.tamper(with: &payload), payload != isGenuine { hasLied = true }
        if payload.count != keys.stranger.noise.payload.count { hasLied = true }
        return payload
    }

    /// The muxer's agreement within the channel, and bytes behind it.
    private mutating func multiplex() throws {
        var channel = SecureChannel(try handshake.split())
        var negotiation = MultistreamNegotiation(role: handshakeRole, protocols: [ConnectionUpgrade.muxerProtocol])
        if let first = negotiation.begin() {
            try seal(first, &channel)
            return
        }
        var opened = try channel.open(&fromEnd)
        if let answer = try negotiation.receive(&opened).send { try seal(answer, &channel) }
    }

    private mutating func seal(_ text: ByteBuffer, _ channel: inout SecureChannel) throws {
        var text = text
        if script.tamper(with: &text) { hasLied = true }
        while text.readableBytes > 0 {
            var piece = script.piece(of: &text)
            guard piece.readableBytes > 0 else { continue }
            // Behind the agreement, anything may come.
            if text.readableBytes == 0 { piece.writeBytes(script.bytes(script.length())) }
            var frames = ByteBuffer()
            try channel.seal(piece, into: &frames)
            try say(frames)
        }
    }
}
