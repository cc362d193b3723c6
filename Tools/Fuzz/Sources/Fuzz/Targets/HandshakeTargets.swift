import Crypto
import Kademlia
import Multiformats
import NIOCore

@testable import KadLibp2p

/// From the first byte of a connection to its ciphers.
let handshakeTargets = [
    FuzzTarget(name: "multistream", seeds: negotiationSeeds, run: negotiate),
    FuzzTarget(name: "handshake", seeds: recordedSeeds, run: shakeWithAnybody),
    FuzzTarget(name: "handshake-tampered", seeds: { FuzzSeeds.scripts(1) }, run: shakeWithSomebodyBetween),
]

// MARK: - multistream-select

private let spoken = ["/noise", "/ipfs/kad/1.0.0", "/ipfs/id/1.0.0"]

private func line(_ text: String) -> [UInt8] { FuzzSeeds.framed(Array((text + "\n").utf8)) }

/// What may be said, and more or less is.
private let sayable =
    ["na", "ls", "/x", "", String(repeating: "x", count: 1_023), "/multistream/1.0.0"].map(line) + spoken.map(line)
    + [[1], [0x80, 1], [0xff, 0xff, 1], [3, 0x6e, 0x61]]

/// Lines to either end, at once and in pieces, and choices of lines.
@Sendable private func negotiationSeeds() -> [[UInt8]] {
    func lines(_ texts: [String]) -> [UInt8] { texts.flatMap(line) }
    let talks: [[String]] = [
        ["/noise"], ["na", "/ipfs/kad/1.0.0"], ["na", "na", "na"], ["ls", "/ipfs/id/1.0.0"],
        [String](repeating: "/x", count: 25), [String(repeating: "x", count: 1_022), "/noise"],
    ]
    var streams: [[UInt8]] = talks.map { lines(["/multistream/1.0.0"] + $0) + [1, 2, 3] }
    streams += [Array(line("/multistream/1.0.0").prefix(7)), [0xff, 0xff, 0xff, 1]]
    var seeds: [[UInt8]] = []
    for stream in streams {
        for (end, size) in [(0, 20), (0, 256), (1, 20), (1, 256)] as [(UInt8, Int)] {
            seeds.append([end] + FuzzSeeds.pieces(stream, of: size))
        }
    }
    return seeds + [[128, 0, 0, 7], [129, 2, 1, 6], [129, 1, 1, 2, 3, 6], [128, 0, 0, 0], [129, 4, 9, 11]]
}

/// The first byte chooses the end, the rest comes to it in pieces, each behind its length; from 128 on it is choices among
/// ``sayable`` lines, behind the header. The end makes the same of them as of all at once.
private func negotiate(_ bytes: [UInt8]) throws {
    var script = FuzzScript(bytes)
    let choice = script.byte()
    let role: Role = choice.isMultiple(of: 2) ? .dialer : .listener
    var negotiation = MultistreamNegotiation(role: role, protocols: spoken)
    var isBegun = choice < 128
    var sent = negotiation.begin()?.readableBytes ?? 0
    var all = ByteBuffer()
    var pending = ByteBuffer()
    var agreed: String?
    var isRefused = false
    while !script.isOver, agreed == nil, !isRefused {
        let piece =
            if choice < 128 {
                script.bytes(script.byte() + 1)
            } else {
                isBegun ? script.choice(of: sayable) : line("/multistream/1.0.0")
            }
        isBegun = true
        all.writeBytes(piece)
        pending.writeBytes(piece)
        do {
            let progress = try negotiation.receive(&pending)
            sent += progress.send?.readableBytes ?? 0
            agreed = progress.agreed
        } catch {
            isRefused = true
        }
        if agreed == nil, !isRefused {
            try Broken.unless(pending.readableBytes <= MultistreamLine.byteLimit + 2, "more than a line is kept")
        }
    }
    try Broken.unless(agreed.map(spoken.contains) ?? true, "what was agreed on is spoken nowhere")
    try Broken.unless(sent <= 64 * (MultistreamNegotiation.proposalLimit + 1), "\(sent) bytes are sent")

    var again = MultistreamNegotiation(role: role, protocols: spoken)
    _ = again.begin()
    let atOnce = try? again.receive(&all)
    try Broken.unless((atOnce == nil) == isRefused && atOnce?.agreed == agreed, "it matters how the bytes come")
    try Broken.unless(isRefused || all == pending, "bytes behind the agreement are lost")
}

// MARK: - The whole of it

/// Two honest ends, and what one says to the other.
struct FuzzedLine {
    var upgrades: [ConnectionUpgrade]
    var established: [ConnectionUpgrade.Established?] = [nil, nil]
    /// On the way to each.
    var underWay = [ByteBuffer(), ByteBuffer()]
    /// All that ever came to each.
    var delivered = [[UInt8](), [UInt8]()]
    /// Whether something else came than was sent.
    var isTampered = false

    init(dialer: KeyPair = FuzzKeys.fixed.dialer, listener: KeyPair = FuzzKeys.fixed.listener) throws {
        let ephemerals = FuzzKeys.fixed.ephemerals
        upgrades = [
            ConnectionUpgrade(role: .dialer, keys: dialer, expecting: listener.peerID, ephemeral: ephemerals[0]),
            ConnectionUpgrade(role: .listener, keys: listener, expecting: nil, ephemeral: ephemerals[1]),
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
        delivered[end] += piece.readableBytesView
        let progress = try upgrades[end].receive(&piece)
        if let send = progress.send { underWay[1 - end].writeImmutableBuffer(send) }
        established[end] = progress.established
    }

    /// Two ends that nobody comes between.
    static func untouched() throws -> FuzzedLine {
        var script = FuzzScript([])
        var line = try FuzzedLine()
        for turn in 0..<8 { try line.deliver(to: turn.isMultiple(of: 2) ? 1 : 0, &script) }
        return line
    }
}

/// What honest ends sent to each other: with the keys of the end under test, so that a replay comes to its end.
@Sendable private func recordedSeeds() throws -> [[UInt8]] {
    let talks = try FuzzedLine.untouched().delivered
    var seeds: [[UInt8]] = []
    for (end, talk) in talks.enumerated() {
        let choice = UInt8(end)
        seeds += [[choice] + talk, [choice] + talk + [1, 2, 3], [128 + choice] + FuzzSeeds.pieces(talk, of: 50)]
    }
    return seeds
}

/// The first byte chooses the end; the rest is all that comes from the other. Nobody has a key: at most it is said again what
/// was once said to this end.
private func shakeWithAnybody(_ bytes: [UInt8]) throws {
    var script = FuzzScript(bytes)
    let choice = script.byte()
    let end = choice % 2
    let keys = FuzzKeys.fixed
    var upgrade = try FuzzedLine().upgrades[end]
    _ = try? upgrade.begin()
    while !script.isOver {
        var piece = ByteBuffer(bytes: script.bytes(choice < 128 ? bytes.count : script.byte() + 1))
        guard let progress = try? upgrade.receive(&piece) else {
            var more = ByteBuffer(bytes: [0])
            return try Broken.unless((try? upgrade.receive(&more)) == nil, "an upgrade goes on after it has failed")
        }
        try Broken.unless(piece.readableBytes == 0, "bytes are left")
        guard let established = progress.established else { continue }
        return try Broken.unless(
            established.remote == [keys.listener, keys.dialer][end].peerID, "bytes without a key are somebody")
    }
}

/// Two honest ends, and somebody between them who changes, drops, adds and repeats. Whom an end then believes to talk to
/// is the other, or nobody.
private func shakeWithSomebodyBetween(_ bytes: [UInt8]) throws {
    var script = FuzzScript(bytes)
    var line = try FuzzedLine()
    let remotes = [FuzzKeys.fixed.listener.peerID, FuzzKeys.fixed.dialer.peerID]
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
