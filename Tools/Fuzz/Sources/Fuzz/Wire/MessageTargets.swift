import Crypto
import KadEngine
import KadNode
import KadStore
import Kademlia
import Multiformats
import NIOCore

@testable import KadLibp2p

/// The DHT's messages, and those that say who somebody is.
let messageTargets = [
    FuzzTarget(name: "kad", run: serveAndAsk),
    FuzzTarget(name: "identify", run: identify),
    FuzzTarget(name: "public-key") { bytes in
        guard let key = try? PublicKey(encoded: bytes) else { return }
        try Broken.unless(key.encoded == bytes, "a key has two forms")
        try Broken.unless(
            try PeerIDEncoding.libp2p.decode(PeerIDEncoding.libp2p.encode(key.peerID)) == key.peerID,
            "a key's id is none")
        // Nobody can sign for it in a few bytes.
        try Broken.unless((try? key.isSignature(Array(bytes.suffix(64)), of: bytes)) != true, "anything signs")
    },
    FuzzTarget(name: "private-key") { bytes in
        guard let keys = try? KeyPair(encoded: bytes) else { return }
        try Broken.unless(try KeyPair(encoded: keys.encoded).peerID == keys.peerID, "a key changes when it is saved")
    },
    FuzzTarget(name: "envelope") { bytes in
        guard let envelope = try? SignedEnvelope(encoded: bytes, domain: "libp2p-peer-record") else { return }
        let again = try SignedEnvelope(encoded: envelope.encoded, domain: "libp2p-peer-record")
        try Broken.unless(again == envelope, "an envelope changes on its way")
    },
    FuzzTarget(name: "peer-record", run: readSignedRecord),
    FuzzTarget(name: "noise-payload") { bytes in
        let key = try Curve25519.KeyAgreement.PrivateKey(rawRepresentation: [UInt8](repeating: 5, count: 32))
        try Broken.unless(
            (try? NoiseIdentity.verified(payload: bytes, of: key.publicKey)) == nil, "a stranger vouches for a key")
    },
]

/// The first byte chooses what was asked; the rest is the stream, in pieces. Each message on it is taken for a request and
/// for an answer.
private func serveAndAsk(_ bytes: [UInt8]) throws {
    var script = FuzzScript(bytes)
    let choice = script.byte()
    let key = Array("/test/key".utf8)
    let id = try KeyPair(seed: [UInt8](repeating: 6, count: 32)).peerID
    let requests: [Request] = [
        .findNode(LookupTarget(key: Network.libp2p.target(hashing: key), preimage: key)), .ping, .getValue(key),
        .putValue(key: key, value: Array("value".utf8)), .getProviders(key), .addProvider(key),
    ]
    let request = requests[choice % requests.count]
    let sender = OwnContact(id: id, addresses: [])
    var decoder = FrameDecoder()
    while !script.isOver {
        decoder.append(ByteBuffer(bytes: script.bytes(choice < 128 ? bytes.count : script.byte() + 1)))
        while let body = try? decoder.next(limit: request.answerLimit) {
            guard let message = try? KadMessage.reading(body) else { continue }
            if let answer = try? message.answer(to: request) {
                try Broken.unless(answer.named.count <= KadProtocol.closerLimit, "\(answer.named.count) peers")
                try Broken.unless(
                    answer.named.allSatisfy { $0.addresses.count <= KadProtocol.addressLimit }, "too many addresses")
            }
            if let query = try? message.query,
                let reply = KadMessage(
                    answering: query, with: QueryAnswer(), from: sender, at: Instant(milliseconds: 1_700_000_000_000))
            {
                _ = try KadMessage.reading(reply.written())
            }
        }
        try Broken.unless(decoder.buffered <= bytes.count, "more is kept than came")
    }
}

private func identify(_ bytes: [UInt8]) throws {
    let keys = try KeyPair(seed: [UInt8](repeating: 6, count: 32))
    let address = try Multiaddr("/ip4/127.0.0.1/tcp/4001")
    guard let found = IdentifyCodec.decode(bytes, from: keys.publicKey, at: address, isDialled: true) else { return }
    try Broken.unless(found.peer == keys.peerID, "somebody else is identified")
    try Broken.unless(
        found.addresses.count <= IdentifyCodec.addressLimit && found.protocols.count <= IdentifyCodec.protocolLimit,
        "\(found.addresses.count) addresses, \(found.protocols.count) protocols")
    try Broken.unless(
        (found.protocols + [found.agent]).allSatisfy { $0.utf8.count <= 3 * IdentifyCodec.nameLimit }, "a long name")
    // What is read is written again as the same.
    let again = IdentifyCodec.encode(
        keys: keys, agent: found.agent, protocols: found.protocols, addresses: found.addresses,
        observed: found.observed, sequence: 1)
    let reread = again.flatMap { IdentifyCodec.decode($0, from: keys.publicKey, at: address, isDialled: true) }
    guard let again, again.count <= IdentifyCodec.byteLimit else { return }
    try Broken.unless(
        reread?.agent == found.agent && reread?.protocols == found.protocols, "a peer changes on its way")
}

/// The bytes are the payload of a record that is signed as it should be: what the signature keeps from a fuzzer.
private func readSignedRecord(_ bytes: [UInt8]) throws {
    let keys = try KeyPair(seed: [UInt8](repeating: 6, count: 32))
    let envelope = try SignedEnvelope(
        sealing: bytes, type: SignedPeerRecord.payloadType, domain: SignedPeerRecord.domain, keys: keys)
    // Its limit is the reader's.
    guard let encoded = try? envelope.encoded, let record = try? SignedPeerRecord(envelope: encoded) else { return }
    try Broken.unless(record.peer == keys.peerID, "a record of somebody else is believed")
    try Broken.unless(record.addresses.count <= SignedPeerRecord.addressLimit, "\(record.addresses.count) addresses")
    let again = try SignedPeerRecord(envelope: record.sealed(by: keys))
    try Broken.unless(again == record, "a record changes on its way")
}
