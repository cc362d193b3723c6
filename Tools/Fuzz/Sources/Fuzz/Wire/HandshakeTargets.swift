import Crypto
import Kademlia
import Multiformats
import NIOCore

@testable import KadLibp2p

/// From the first byte of a connection to its ciphers.
let handshakeTargets = [
    FuzzTarget(name: "multistream", run: negotiate),
    FuzzTarget(name: "handshake", run: shakeWithAnybody),
    FuzzTarget(name: "handshake-tampered", run: shakeWithSomebodyBetween),
    FuzzTarget(name: "secure-channel", run: listenIn),
]

/// The first byte chooses the end, the rest comes to it in pieces.
private func negotiate(_ bytes: [UInt8]) throws {
    var script = FuzzScript(bytes)
    let role: Role = script.byte().isMultiple(of: 2) ? .dialer : .listener
    let protocols = ["/noise", "/ipfs/kad/1.0.0", "/ipfs/id/1.0.0"]
    var negotiation = MultistreamNegotiation(role: role, protocols: protocols)
    var sent = negotiation.begin()?.readableBytes ?? 0
    var pending = ByteBuffer()
    while !script.isOver {
        pending.writeBytes(script.bytes(script.byte() + 1))
        guard let progress = try? negotiation.receive(&pending) else { break }
        sent += progress.send?.readableBytes ?? 0
        if let agreed = progress.agreed {
            try Broken.unless(protocols.contains(agreed), "\(agreed) is spoken nowhere")
            break
        }
        try Broken.unless(pending.readableBytes <= MultistreamLine.byteLimit + 2, "more than a line is kept")
    }
    try Broken.unless(sent <= 64 * (MultistreamNegotiation.proposalLimit + 1), "\(sent) bytes are sent")
}

/// The first byte chooses the end; the rest is all that comes from the other.
private func shakeWithAnybody(_ bytes: [UInt8]) throws {
    var script = FuzzScript(bytes)
    let choice = script.byte()
    let role: Role = choice.isMultiple(of: 2) ? .dialer : .listener
    var upgrade = ConnectionUpgrade(role: role, keys: ends.listener, expecting: nil, ephemeral: ends.ephemerals[0])
    _ = try upgrade.begin()
    while !script.isOver {
        var piece = ByteBuffer(bytes: script.bytes(choice < 128 ? bytes.count : script.byte() + 1))
        guard let progress = try? upgrade.receive(&piece) else {
            var more = ByteBuffer(bytes: [0])
            return try Broken.unless((try? upgrade.receive(&more)) == nil, "an upgrade goes on after it has failed")
        }
        // It takes a signature to come so far.
        try Broken.unless(progress.established == nil, "bytes without a key are somebody")
    }
}

private struct Ends: Sendable {
    let dialer, listener: KeyPair
    let ephemerals: [Curve25519.KeyAgreement.PrivateKey]
}

// Fixed, so that an input does the same each time; a key of 32 equal bytes is one.
private let ends: Ends = {
    func ephemeral(_ byte: UInt8) -> Curve25519.KeyAgreement.PrivateKey? {
        try? Curve25519.KeyAgreement.PrivateKey(rawRepresentation: [UInt8](repeating: byte, count: 32))
    }
    guard let dialer = try? KeyPair(seed: [UInt8](repeating: 1, count: 32)),
        let listener = try? KeyPair(seed: [UInt8](repeating: 2, count: 32)), let first = ephemeral(3),
        let second = ephemeral(4)
    else { preconditionFailure("these are keys") }
    return Ends(dialer: dialer, listener: listener, ephemerals: [first, second])
}()

/// Two honest ends, and what one says to the other.
private struct Line {
    var upgrades: [ConnectionUpgrade]
    var established: [ConnectionUpgrade.Established?] = [nil, nil]
    /// On the way to each.
    var underWay = [ByteBuffer(), ByteBuffer()]
    /// Whether something else came than was sent.
    var isTampered = false

    init() throws {
        let (dialer, listener) = (ends.dialer, ends.listener)
        upgrades = [
            ConnectionUpgrade(
                role: .dialer, keys: dialer, expecting: listener.peerID, ephemeral: ends.ephemerals[0]),
            ConnectionUpgrade(role: .listener, keys: listener, expecting: nil, ephemeral: ends.ephemerals[1]),
        ]
        underWay[1] = try upgrades[0].begin() ?? ByteBuffer()
    }

    /// Brings some of what is under way to one end, and says whether that is still there.
    mutating func deliver(to end: Int, _ script: inout FuzzScript) throws {
        var piece = script.piece(of: &underWay[end])
        if script.tamper(with: &piece) { isTampered = true }
        if established[end] != nil {
            piece.writeBuffer(&underWay[end])
            underWay[end] = piece
            return
        }
        let progress = try upgrades[end].receive(&piece)
        if let send = progress.send { underWay[1 - end].writeImmutableBuffer(send) }
        established[end] = progress.established
    }
}

/// Two honest ends, and somebody between them who changes, drops, adds and repeats. Whom an end then believes to talk to
/// is the other, or nobody.
private func shakeWithSomebodyBetween(_ bytes: [UInt8]) throws {
    var script = FuzzScript(bytes)
    var line = try Line()
    let remotes = [ends.listener.peerID, ends.dialer.peerID]
    for turn in 0..<64 where line.established.contains(where: { $0 == nil }) {
        if (try? line.deliver(to: turn.isMultiple(of: 2) ? 1 : 0, &script)) != nil { continue }
        try Broken.unless(line.isTampered, "two honest ends fail")
        break
    }
    for (established, remote) in zip(line.established, remotes) {
        guard let established else { continue }
        try Broken.unless(established.remote == remote, "somebody else is believed")
    }
    guard var near = line.established[0], var far = line.established[1], !line.isTampered else { return }
    // What was under way when an end was done comes first.
    var sealed = far.leftover
    sealed.writeImmutableBuffer(line.underWay[1])
    let text = ByteBuffer(string: "ahead")
    try near.channel.seal(text, into: &sealed)
    try Broken.unless(try far.channel.open(&sealed) == text, "two ends do not understand each other")
}

/// The ciphers of both ends of one connection.
private let channels: (near: SecureChannel, far: SecureChannel) = {
    var script = FuzzScript([])
    guard var line = try? Line() else { preconditionFailure("keys begin a handshake") }
    for turn in 0..<64 { try? line.deliver(to: turn.isMultiple(of: 2) ? 1 : 0, &script) }
    guard let near = line.established[0], let far = line.established[1] else {
        preconditionFailure("two honest ends agree")
    }
    return (near.channel, far.channel)
}()

/// One end writes, somebody changes some of it on the way. What is read is the beginning of what was written.
private func listenIn(_ bytes: [UInt8]) throws {
    var script = FuzzScript(bytes)
    var (near, far) = channels
    var (written, sealed, read) = ([UInt8](), ByteBuffer(), [UInt8]())
    var isTampered = false
    while !script.isOver, written.count < 256 << 10 {
        let text = [UInt8](repeating: UInt8(script.byte()), count: script.length())
        written += text
        var frames = ByteBuffer()
        try near.seal(ByteBuffer(bytes: text), into: &frames)
        if script.tamper(with: &frames) { isTampered = true }
        sealed.writeBuffer(&frames)
        guard let opened = try? far.open(&sealed) else {
            return try Broken.unless(isTampered, "what nobody changed is refused")
        }
        read += opened.readableBytesView
        try Broken.unless(written.starts(with: read), "what is read was never written")
        try Broken.unless(isTampered || read == written, "something is missing")
        try Broken.unless(sealed.readableBytes <= 65_537, "more than a frame is kept")
    }
}
