import KadEngine
import KadNode
import KadStore
import Kademlia
import Multiformats
import NIOCore

@testable import KadLibp2p

/// The DHT's messages, and the one by which peers say who they are.
let messageTargets = [
    FuzzTarget(name: "kad", seeds: querySeeds, run: serveAndAsk),
    FuzzTarget(name: "identify", seeds: identitySeeds, run: identify),
]

// MARK: - kad

private let key = Array("/test/key".utf8)
private let value = Array("value".utf8)

private let requests: [Request] = [
    .findNode(LookupTarget(key: Network.libp2p.target(hashing: key), preimage: key)), .ping, .getValue(key),
    .putValue(key: key, value: value), .getProviders(key), .addProvider(key),
]

/// Each kind of message with all that may be in it, alone and one behind the other, for each request.
@Sendable private func querySeeds() throws -> [[UInt8]] {
    typealias Make = FuzzSeeds
    let keys = FuzzKeys.fixed.stranger
    let id = Array(keys.peerID.bytes)
    let addresses = try Make.addressBytes()
    let peer = Make.field(1, id) + addresses.flatMap { Make.field(2, $0) } + Make.field(3, 1)
    let record =
        Make.field(1, key) + Make.field(2, value) + Make.field(5, "2024-11-23T12:34:56.789012345Z")
    let sender = Make.field(11, try FuzzedRecord.sealed())
    let about = Make.field(2, key)
    let near = Make.field(8, peer)
    let provider = Make.field(9, peer)
    let many = [[UInt8]](repeating: Make.field(8, Make.field(1, id)), count: 70).flatMap { $0 }
    let bodies: [[UInt8]] = [
        Make.field(1, 4) + Make.field(2, id) + Make.field(10, 1) + sender, Make.field(1, 4) + near + near,
        about + Make.field(3, record), Make.field(1, 1) + about + Make.field(3, record) + near,
        Make.field(1, 2) + about + provider + sender, Make.field(1, 3) + about + provider + near,
        Make.field(1, 5), Make.field(1, 99), Make.field(1, 4) + about + many,
    ]
    let all = bodies.flatMap(Make.framed)
    var seeds: [[UInt8]] = requests.indices.map { [UInt8($0)] + all }
    for stream in bodies.map(Make.framed) + [Make.varint(5 << 20), [UInt8](repeating: 255, count: 10)] {
        seeds += [[0] + stream, [2] + stream]
        if stream.count < 1_000 { seeds.append([128] + Make.pieces(stream, of: 30)) }
    }
    return seeds + FuzzSeeds.scripts(8).enumerated().map { [UInt8(64 + $0 % 6)] + $1 }
}

/// A message as a script has it: its lengths are right, whatever is in it.
private func scripted(_ script: inout FuzzScript) throws -> [UInt8] {
    typealias Make = FuzzSeeds
    let known = [key, Array(FuzzKeys.fixed.stranger.peerID.bytes), value] + (try Make.addressBytes())
    func bytes() -> [UInt8] {
        let choice = script.byte()
        return choice < 192 ? known[choice % known.count] : script.bytes(choice - 192)
    }
    func peer() -> [UInt8] {
        let addresses = (0..<script.byte() % 6).flatMap { _ in Make.field(2, bytes()) }
        return Make.field(1, bytes()) + addresses + Make.field(3, script.byte() % 5) + Make.field(4, bytes())
    }
    var message = Make.field(1, script.byte() % 8) + Make.field(2, bytes())
    let parts = script.byte()
    if parts & 1 > 0 { message += Make.field(3, Make.field(1, bytes()) + Make.field(2, bytes())) }
    if parts & 2 > 0 { message += Make.field(11, try FuzzedRecord.sealed()) }
    if parts & 4 > 0 { message += (0..<script.byte()).flatMap { _ in Make.field(8, peer()) } }
    if parts & 8 > 0 { message += (0..<script.byte()).flatMap { _ in Make.field(9, peer()) } }
    if parts & 16 > 0 { message += Make.field(script.byte(), bytes()) }
    _ = script.tamper(with: &message)
    return Make.framed(message)
}

/// The first byte chooses what was asked; the rest is the stream, at once, from 128 on in pieces, from 64 to 127 a script of
/// messages. Each message is taken for a request and for an answer, and written again.
private func serveAndAsk(_ bytes: [UInt8]) throws {
    var script = FuzzScript(bytes)
    let choice = script.byte()
    let request = requests[choice % requests.count]
    var decoder = FrameDecoder()
    while !script.isOver {
        let piece =
            switch choice {
            case 64..<128: try scripted(&script)
            case 128...: script.bytes(script.byte() + 1)
            default: script.bytes(bytes.count)
            }
        decoder.append(ByteBuffer(bytes: piece))
        while let body = try? decoder.next(limit: request.answerLimit) {
            guard let message = try? KadMessage.reading(body) else { continue }
            try survives(message)
            try take(message, asAnswerTo: request)
            try serve(message)
        }
        try Broken.unless(
            decoder.buffered <= bytes.count || (64..<128).contains(choice), "more is kept than came")
    }
}

private func survives(_ message: KadMessage) throws {
    let again = try KadMessage.reading(message.written())
    try Broken.unless(again == message, "a message changes on its way")
    try Broken.unless(
        message.closerPeers.count <= KadProtocol.closerLimit
            && message.providerPeers.count <= KadProtocol.providerLimit,
        "\(message.closerPeers.count) near peers, \(message.providerPeers.count) providers")
}

private func take(_ message: KadMessage, asAnswerTo request: Request) throws {
    guard let answer = try? message.answer(to: request) else { return }
    var named = answer.named
    switch answer.content {
    case .none: break
    case .value(let value): try Broken.unless(value.count <= KadProtocol.valueLimit, "a value over the limit")
    case .providers(let providers): named += providers
    }
    try Broken.unless(
        named.allSatisfy { $0.addresses.count <= KadProtocol.addressLimit }, "too many addresses of a peer")
    try Broken.unless(
        named.allSatisfy { $0.addresses.allSatisfy { $0.peerID == nil } || PeerID($0.id) == nil },
        "an address with an id beside its id")
}

/// What is asked is what would be asked again, and the answer is one to it; to ADD_PROVIDER there is none.
private func serve(_ message: KadMessage) throws {
    let records = SenderRecords()
    let isTheirs = (try? records.check(message, from: FuzzKeys.fixed.stranger.peerID)) != nil
    try Broken.unless(
        !isTheirs || message.senderRecord.isEmpty
            || (try? records.check(message, from: FuzzKeys.fixed.dialer.peerID)) == nil,
        "a record counts for two senders")
    guard let query = try? message.query else { return }
    let sender = OwnContact(id: FuzzKeys.fixed.listener.peerID, addresses: [])
    guard
        let reply = KadMessage(
            answering: query, with: QueryAnswer(), from: sender, at: Instant(milliseconds: 1_700_000_000_000))
    else {
        if case .addProvider = query { return }
        throw Broken(description: "a question without an answer")
    }
    let read = try KadMessage.reading(reply.written())
    try Broken.unless(read.type == message.type, "an answer of another kind")
    switch query {
    case .findNode(let key), .getValue(let key), .getProviders(let key), .putValue(let key, _):
        try Broken.unless(Array(read.key) == key, "an answer about another key")
    case .ping, .addProvider: break
    }
}

// MARK: - identify

private let remoteAddress = Multiaddr(ip: .v4(0x7f00_0001), tcp: 4_001)

@Sendable private func identitySeeds() throws -> [[UInt8]] {
    typealias Make = FuzzSeeds
    let keys = FuzzKeys.fixed.stranger
    let addresses = try Make.addresses.map { try Multiaddr($0) }
    let encoded = try Make.addressBytes()
    let own = IdentifyCodec.encode(
        keys: keys, agent: "kadstore/1", protocols: ["/ipfs/kad/1.0.0", "/ipfs/id/1.0.0"], addresses: addresses,
        observed: addresses.first, sequence: 7)
    var unsigned = Make.field(5, "ipfs/0.1.0") + Make.field(6, "py-libp2p/0.8.1") + Make.field(4, encoded[1])
    for address in encoded { unsigned += Make.field(2, address) }
    for number in 0..<9 { unsigned += Make.field(3, "/protocol/\(number)") }
    let signed = Make.field(8, try FuzzedRecord.sealed())
    let whole = Make.field(1, keys.publicKey.encoded) + unsigned + signed
    return [
        own ?? [], Make.framed(unsigned), Make.framed(unsigned) + Make.framed(signed), Make.framed(whole),
        Make.framed(signed),
    ]
}

private func identify(_ bytes: [UInt8]) throws {
    let keys = FuzzKeys.fixed.stranger
    guard let found = IdentifyCodec.decode(bytes, from: keys.publicKey, at: remoteAddress, isDialled: true) else {
        return
    }
    try Broken.unless(found.peer == keys.peerID, "somebody else is identified")
    try Broken.unless(
        found.addresses.count <= IdentifyCodec.addressLimit && found.protocols.count <= IdentifyCodec.protocolLimit,
        "\(found.addresses.count) addresses, \(found.protocols.count) protocols")
    // A name that is cut within a character ends in U+FFFD, which takes two bytes more.
    try Broken.unless(
        (found.protocols + [found.agent]).allSatisfy { $0.utf8.count <= IdentifyCodec.nameLimit + 2 }, "a long name")
    // What is read is written again as the same.
    let again = IdentifyCodec.encode(
        keys: keys, agent: found.agent, protocols: found.protocols, addresses: found.addresses,
        observed: found.observed, sequence: 1)
    guard let again, again.count <= IdentifyCodec.byteLimit,
        (found.protocols + [found.agent]).allSatisfy({ $0.utf8.count <= IdentifyCodec.nameLimit })
    else { return }
    let reread = IdentifyCodec.decode(again, from: keys.publicKey, at: remoteAddress, isDialled: true)
    try Broken.unless(
        reread?.agent == found.agent && reread?.protocols == found.protocols && reread?.observed == found.observed,
        "a peer changes on its way")
}
