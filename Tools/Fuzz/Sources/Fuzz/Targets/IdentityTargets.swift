import Crypto
import KadNode
import Kademlia
import Multiformats

@testable import KadLibp2p

/// Keys, and what is signed with them.
let identityTargets = [
    FuzzTarget(name: "public-key", seeds: publicKeySeeds, run: readPublicKey),
    FuzzTarget(name: "private-key", seeds: privateKeySeeds, run: readPrivateKey),
    FuzzTarget(name: "envelope", seeds: envelopeSeeds, run: openEnvelope),
    FuzzTarget(name: "peer-record", seeds: peerRecordSeeds, run: readSignedRecord),
    FuzzTarget(name: "records", seeds: recordSeeds, run: validate),
]

private func readPublicKey(_ bytes: [UInt8]) throws {
    guard let key = try? PublicKey(encoded: bytes) else { return }
    // The one form: algorithm, then a length in its shortest form, then no more than so many bytes.
    let data = bytes.dropFirst(3).drop { $0 >= 0x80 }.dropFirst()
    try Broken.unless(
        bytes.count > 1 && bytes == FuzzSeeds.field(1, Int(bytes[1])) + FuzzSeeds.field(2, Array(data)),
        "a key has two forms")
    try Broken.unless(
        try PeerIDEncoding.libp2p.decode(PeerIDEncoding.libp2p.encode(key.peerID)) == key.peerID, "a key's id is none")
    // Nobody can sign for it in a few bytes.
    for signature in [Array(bytes.suffix(64)), Array(bytes.suffix(256)), bytes] {
        try Broken.unless((try? key.isSignature(signature, of: bytes)) != true, "anything signs")
    }
}

private func readPrivateKey(_ bytes: [UInt8]) throws {
    guard let keys = try? KeyPair(encoded: bytes) else { return }
    try Broken.unless(try KeyPair(encoded: keys.encoded).peerID == keys.peerID, "a key changes when it is saved")
}

/// A key of each kind, as peers send them.
enum FuzzedKeyForms {
    static func all() throws -> [[UInt8]] {
        let ecdsa = try P256.Signing.PrivateKey(rawRepresentation: [UInt8](repeating: 5, count: 32))
        return [
            FuzzKeys.fixed.dialer.publicKey.encoded, form(3, Array(ecdsa.publicKey.derRepresentation)),
            form(2, [2] + [UInt8](repeating: 9, count: 32)), form(0, rsa),
        ]
    }

    private static func form(_ algorithm: Int, _ data: [UInt8]) -> [UInt8] {
        FuzzSeeds.field(1, algorithm) + FuzzSeeds.field(2, data)
    }

    /// A SubjectPublicKeyInfo of 2,048 bits, whose modulus is no product of two primes that anybody knows.
    private static let rsa: [UInt8] = {
        let modulus = [UInt8](repeating: 0xa7, count: 256)
        let key: [UInt8] = [0x02, 0x82, 1, 1, 0] + modulus + [0x02, 3, 1, 0, 1]
        let bits: [UInt8] = [0x03, 0x82, 1, 0x0f, 0, 0x30, 0x82, 1, 0x0a] + key
        let algorithm: [UInt8] = [0x30, 13, 6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 13, 1, 1, 1, 5, 0]
        return [0x30, 0x82, 1, 0x22] + algorithm + bits
    }()
}

/// Every kind of key, and what is nearly one: a field more, a number in a longer form.
@Sendable private func publicKeySeeds() throws -> [[UInt8]] {
    try FuzzedKeyForms.all().flatMap { key in
        [key, key + FuzzSeeds.field(3, 1), [key[0], key[1] | 0x80, 0] + key.dropFirst(2)]
    }
}

@Sendable private func privateKeySeeds() throws -> [[UInt8]] {
    let keys = FuzzKeys.fixed.stranger
    let seed = [UInt8](repeating: 6, count: 32)
    let half = Array(keys.publicKey.encoded.suffix(32))
    return [try keys.encoded]
        + [seed, seed + half + half, seed + seed].map {
            FuzzSeeds.field(1, 1) + FuzzSeeds.field(2, $0)
        } + [FuzzSeeds.field(1, 0) + FuzzSeeds.field(2, seed)]
}

// MARK: - Envelopes

/// A signed record of a peer, as seeds have it.
enum FuzzedRecord {
    static func payload() throws -> [UInt8] {
        let addresses = try FuzzSeeds.addressBytes().flatMap { FuzzSeeds.field(3, FuzzSeeds.field(1, $0)) }
        return FuzzSeeds.field(1, Array(FuzzKeys.fixed.stranger.peerID.bytes)) + FuzzSeeds.field(2, 7) + addresses
    }

    static func sealed() throws -> [UInt8] {
        try SignedEnvelope(
            sealing: payload(), type: SignedPeerRecord.payloadType, domain: SignedPeerRecord.domain,
            keys: FuzzKeys.fixed.stranger
        ).encoded
    }
}

@Sendable private func envelopeSeeds() throws -> [[UInt8]] {
    [try FuzzedRecord.sealed(), [128, 2, 3, 1, 5, 1, 2, 3, 4, 5, 255, 20, 0, 1]]
        + FuzzSeeds.scripts(7).map { [128] + $0 }
}

/// Below 128 in front: the envelope itself, which nobody here can sign. Else what is sealed, and what happens to it on its way.
private func openEnvelope(_ bytes: [UInt8]) throws {
    let keys = FuzzKeys.fixed.stranger
    guard let first = bytes.first, first >= 128 else {
        guard let envelope = try? SignedEnvelope(encoded: bytes, domain: SignedPeerRecord.domain) else { return }
        try Broken.unless(envelope.payload == FuzzedRecord.payload(), "something is signed that nobody has signed")
        let again = try SignedEnvelope(encoded: envelope.encoded, domain: SignedPeerRecord.domain)
        return try Broken.unless(again == envelope, "an envelope changes on its way")
    }
    var script = FuzzScript(Array(bytes.dropFirst()))
    let type = script.bytes(script.byte() % 8)
    let payload = script.bytes(script.length())
    let domains = ["libp2p-peer-record", "", "libp2p-peer-recor"]
    let envelope = try SignedEnvelope(sealing: payload, type: type, domain: domains[0], keys: keys)
    var encoded = try envelope.encoded
    let isTampered = script.tamper(with: &encoded)
    let read = domains.map { try? SignedEnvelope(encoded: encoded, domain: $0) }
    try Broken.unless(isTampered || read[0] == envelope, "what nobody changed is refused")
    // A change may leave all that is signed as it was.
    try Broken.unless(read[0].map { $0 == envelope } ?? true, "what was changed is believed")
    try Broken.unless(read.dropFirst().allSatisfy { $0 == nil }, "what was signed for one purpose counts for another")
}

/// One record as peers have it, and one with more addresses than are kept.
@Sendable private func peerRecordSeeds() throws -> [[UInt8]] {
    let payload = try FuzzedRecord.payload()
    let address = FuzzSeeds.field(3, FuzzSeeds.field(1, try FuzzSeeds.addressBytes()[0]))
    let many = [[UInt8]](repeating: address, count: SignedPeerRecord.addressLimit).flatMap { $0 }
    return [payload, payload + many + FuzzSeeds.field(2, Int.max)]
}

/// The bytes are the payload of a record that is signed as it should be: what the signature keeps from a fuzzer.
private func readSignedRecord(_ bytes: [UInt8]) throws {
    let keys = FuzzKeys.fixed.stranger
    let envelope = try SignedEnvelope(
        sealing: bytes, type: SignedPeerRecord.payloadType, domain: SignedPeerRecord.domain, keys: keys)
    // Its limit is the reader's.
    guard let encoded = try? envelope.encoded, let record = try? SignedPeerRecord(envelope: encoded) else { return }
    try Broken.unless(record.peer == keys.peerID, "a record of somebody else is believed")
    try Broken.unless(record.addresses.count <= SignedPeerRecord.addressLimit, "\(record.addresses.count) addresses")
    let again = try SignedPeerRecord(envelope: record.sealed(by: keys))
    try Broken.unless(again == record, "a record changes on its way")
}

// MARK: - Records

private let now = Instant(milliseconds: 1_795_000_000_000)

/// The signed part of an IPNS record, in DAG-CBOR, with values of less than 24 bytes and small numbers.
private func signedMap(sequence: UInt8, validity: String) -> [UInt8] {
    func text(_ text: String) -> [UInt8] { [0x60 | UInt8(text.utf8.count)] + Array(text.utf8) }
    func bytes(_ text: String) -> [UInt8] {
        let count = UInt8(text.utf8.count)
        return (count < 24 ? [0x40 | count] : [0x58, count]) + Array(text.utf8)
    }
    let parts: [[UInt8]] = [
        [0xa5], text("TTL"), [0], text("Value"), bytes("/ipfs/bafkqaaa"), text("Sequence"), [sequence],
        text("Validity"), bytes(validity), text("ValidityType"), [0],
    ]
    return parts.flatMap { $0 }
}

/// An IPNS record around a signed map, rightly signed.
private func record(_ data: [UInt8], withKey: Bool, behind old: [UInt8] = []) throws -> [UInt8] {
    let keys = FuzzKeys.fixed.stranger
    let signature = try keys.sign(Array("ipns-signature:".utf8) + data)
    let key = withKey ? FuzzSeeds.field(7, keys.publicKey.encoded) : []
    return old + key + FuzzSeeds.field(8, signature) + FuzzSeeds.field(9, data)
}

@Sendable private func recordSeeds() throws -> [[UInt8]] {
    let map = signedMap(sequence: 3, validity: "2030-01-01T00:00:00.000000000Z")
    let old: [[UInt8]] = [
        FuzzSeeds.field(1, "/ipfs/bafkqaaa"), FuzzSeeds.field(2, [1]), FuzzSeeds.field(3, 0),
        FuzzSeeds.field(4, "2030-01-01T00:00:00.000000000Z"), FuzzSeeds.field(5, 3), FuzzSeeds.field(6, 0),
    ]
    let extra: [UInt8] = [0xa6] + map.dropFirst() + [0x61, 0x78, 0x82, 0xa1, 1, 2, 0xfb, 0, 0, 0, 0, 0, 0, 0, 0]
    var seeds: [[UInt8]] = [[0] + map, [1] + map, [0] + extra]
    seeds.append([0] + signedMap(sequence: 23, validity: "2030-01-01T00:00:00Z"))
    seeds.append([0] + signedMap(sequence: 1, validity: "2020-01-01T00:00:00.5+01:00"))
    seeds.append([2] + (try record(map, withKey: false)))
    seeds.append([2] + (try record(map, withKey: true, behind: old.flatMap { $0 })))
    for (number, key) in try FuzzedKeyForms.all().enumerated() { seeds.append([4, UInt8(number)] + key) }
    return seeds
}

/// The first byte chooses: the signed map of an IPNS record (0, and 1 with the key beside it), which is signed here; a whole
/// record (2 and 3); a public key under one of the names that `FuzzedKeyForms` have (4).
private func validate(_ bytes: [UInt8]) throws {
    var script = FuzzScript(bytes)
    let keys = FuzzKeys.fixed.stranger
    let choice = script.byte() % 5
    guard choice < 4 else { return try validatePublicKey(&script) }
    let key = Array("/ipns/".utf8) + keys.peerID.bytes
    let validator = IPNSRecordValidator()
    let standing = try record(
        signedMap(sequence: 3, validity: "2030-01-01T00:00:00.000000000Z"), withKey: false)
    let rest = Array(script.rest)
    let value = choice < 2 ? try record(rest, withKey: choice == 1) : rest
    do throws(RecordFault) {
        try validator.validate(key: key, value: value, at: now)
    } catch {
        return try Broken.unless(choice > 1 || error != .badSignature, "a signature is wrong that is right")
    }
    let read = try IPNSRecord(value)
    try Broken.unless(
        choice < 2 || read.data == IPNSRecord(standing).data, "something is signed that nobody has signed")
    try Broken.unless(read.validUntil >= now, "a record counts that has run out")
    // The same one is chosen in either order, unless they are equal.
    let chosen = [
        validator.select(key: key, among: [value, standing]), validator.select(key: key, among: [standing, value]),
    ]
    let other = try IPNSRecord(standing)
    let isEqual = read.sequence == other.sequence && read.validUntil == other.validUntil
    try Broken.unless(isEqual ? chosen == [0, 0] : chosen[0] != chosen[1], "it matters in what order values come")
}

private func validatePublicKey(_ script: inout FuzzScript) throws {
    let owner = try PublicKey(encoded: script.choice(of: FuzzedKeyForms.all()))
    let key = Array("/pk/".utf8) + owner.peerID.bytes
    let value = Array(script.rest)
    guard (try? PublicKeyRecordValidator().validate(key: key, value: value, at: now)) != nil else { return }
    try Broken.unless(value == owner.encoded, "a key stands under another's name")
}
