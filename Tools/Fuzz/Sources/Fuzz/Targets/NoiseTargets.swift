import Crypto
import Kademlia
import NIOCore

@testable import KadLibp2p

/// Noise, past what it takes a key to come to.
let noiseTargets = [
    FuzzTarget(name: "handshake-insider", seeds: { FuzzSeeds.scripts(2) }, run: shakeWithInsider),
    FuzzTarget(name: "noise", seeds: { FuzzSeeds.scripts(3) }, run: exchange),
    FuzzTarget(name: "noise-payload", seeds: payloadSeeds, run: vouch),
    FuzzTarget(name: "secure-channel", seeds: { FuzzSeeds.scripts(4) }, run: listenIn),
]

private func shakeWithInsider(_ bytes: [UInt8]) throws {
    var insider = Insider(bytes)
    try insider.run()
}

/// The three messages with payloads of any size, each changed on its way or not. A change is noticed at the latest by the
/// next message, and nothing is read out of turn.
private func exchange(_ bytes: [UInt8]) throws {
    var script = FuzzScript(bytes)
    let keys = FuzzKeys.fixed
    let prologue = script.bytes(script.byte() % 4)
    var ends = [
        NoiseHandshake(
            role: .dialer, staticKey: keys.dialer.noise.staticKey, ephemeral: keys.ephemerals[0], prologue: prologue),
        NoiseHandshake(
            role: .listener, staticKey: keys.listener.noise.staticKey, ephemeral: keys.ephemerals[1],
            prologue: prologue),
    ]
    var isTampered = false
    for number in 0..<3 {
        let (writer, reader) = (number % 2, 1 - number % 2)
        if script.byte() == 255 {
            var other = ends[reader]
            try Broken.unless((try? other.write(payload: [])) == nil, "a message is written out of turn")
            try Broken.unless((try? other.split()) == nil, "there are ciphers before the end")
        }
        let payload = [UInt8](repeating: UInt8(number), count: script.length())
        guard var message = try? ends[writer].write(payload: payload) else {
            // There is nothing to agree on with a key of low order.
            return try Broken.unless(isTampered, "an honest end cannot go on")
        }
        if script.tamper(with: &message) { isTampered = true }
        guard let read = try? ends[reader].read(message) else {
            return try Broken.unless(isTampered, "what nobody changed is refused")
        }
        try Broken.unless(!isTampered || number == 0, "what was changed is believed")
        try Broken.unless(isTampered || read == payload, "something else is read than was written")
    }
    try Broken.unless(ends[0].hash == ends[1].hash, "the ends do not agree")
    var (near, far) = (SecureChannel(try ends[0].split()), SecureChannel(try ends[1].split()))
    var sealed = ByteBuffer()
    try far.seal(ByteBuffer(bytes: [7]), into: &sealed)
    try Broken.unless(try near.open(&sealed) == ByteBuffer(bytes: [7]), "the ciphers are not each other's")
}

@Sendable private func payloadSeeds() throws -> [[UInt8]] {
    let genuine = FuzzKeys.fixed.stranger.noise.payload
    let claims = try FuzzedKeyForms.all().map { key in
        FuzzSeeds.field(1, key) + FuzzSeeds.field(2, [UInt8](repeating: 1, count: 64))
    }
    return claims + [
        genuine, genuine + FuzzSeeds.field(4, FuzzSeeds.field(1, [1, 2]) + FuzzSeeds.field(2, "/yamux/1.0.0")),
        FuzzSeeds.field(1, []), Array(genuine.dropLast(10)),
    ]
}

/// What somebody says of himself. The signature counts for one static key, and for the identity that made it.
private func vouch(_ bytes: [UInt8]) throws {
    let keys = FuzzKeys.fixed
    if let key = try? NoiseIdentity.verified(payload: bytes, of: keys.stranger.noise.staticKey.publicKey) {
        try Broken.unless(key == keys.stranger.publicKey, "a stranger vouches for a key")
    }
    try Broken.unless(
        (try? NoiseIdentity.verified(payload: bytes, of: keys.ephemerals[0].publicKey)) == nil,
        "a signature counts for another key")
}

/// The ciphers of both ends of one connection.
private let channels: (near: SecureChannel, far: SecureChannel)? = {
    guard let line = try? FuzzedLine.untouched(), let near = line.established[0], let far = line.established[1] else {
        return nil
    }
    return (near.channel, far.channel)
}()

/// One end writes, somebody changes some of it on the way. What is read is the beginning of what was written.
private func listenIn(_ bytes: [UInt8]) throws {
    var script = FuzzScript(bytes)
    guard var (near, far) = channels else { throw Broken(description: "two honest ends do not agree") }
    // What was written and has not been read.
    var (written, total, sealed) = (ByteBuffer(), 0, ByteBuffer())
    var isTampered = false
    while !script.isOver, total < 256 << 10 {
        let text = [UInt8](repeating: UInt8(script.byte()), count: script.length())
        total += text.count
        written.writeBytes(text)
        var frames = ByteBuffer()
        try near.seal(ByteBuffer(bytes: text), into: &frames)
        if script.tamper(with: &frames) { isTampered = true }
        sealed.writeBuffer(&frames)
        guard let opened = try? far.open(&sealed) else {
            return try Broken.unless(isTampered, "what nobody changed is refused")
        }
        try Broken.unless(
            written.readSlice(length: opened.readableBytes) == opened, "what is read was never written")
        try Broken.unless(isTampered || written.readableBytes == 0, "something is missing")
        try Broken.unless(sealed.readableBytes <= 65_537, "more than a frame is kept")
    }
}
