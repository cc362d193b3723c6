import Crypto
import CryptoExtras
import KadNode
import Kademlia
import Multiformats
import TestSupport
import Testing

@testable import KadLibp2p

/// What a writer of IPNS records makes, right or wrong.
private struct Draft {
    var value = Array("/ipfs/bafkqaaa".utf8)
    var validity = "2030-01-01T00:00:00.000000000Z"
    var sequence: UInt64 = 3
    var validityType: UInt64 = 0
    var ttl: UInt64? = 3_600_000_000_000
    /// Behind the other fields of the signed map.
    var extra: [UInt8] = []
    var extraCount = 0

    /// The signed part: a map in DAG-CBOR.
    var data: [UInt8] {
        var bytes = [0xa0 | UInt8(4 + (ttl == nil ? 0 : 1) + extraCount)]
        if let ttl { bytes += text("TTL") + head(0, ttl) }
        bytes += text("Value") + head(2, UInt64(value.count)) + value
        bytes += text("Sequence") + head(0, sequence)
        bytes += text("Validity") + head(2, UInt64(validity.utf8.count)) + Array(validity.utf8)
        bytes += text("ValidityType") + head(0, validityType)
        return bytes + extra
    }

    func signed(by keys: KeyPair, _ change: (inout IpnsEntryMessage) -> Void = { _ in }) throws -> [UInt8] {
        var entry = IpnsEntryMessage()
        entry.data = .init(data)
        entry.signatureV2 = .init(try keys.sign(Array("ipns-signature:".utf8) + data))
        change(&entry)
        return try entry.serializedBytes()
    }

    /// As writers have it that serve old readers, too.
    func old(_ entry: inout IpnsEntryMessage) {
        entry.value = .init(value)
        entry.signatureV1 = .init([1, 2, 3])
        entry.validityType = 0
        entry.validity = .init(Array(validity.utf8))
        entry.sequence = sequence
        if let ttl { entry.ttl = ttl }
    }
}

private func head(_ major: UInt8, _ number: UInt64) -> [UInt8] {
    let type = major << 5
    switch number {
    case ..<24: return [type | UInt8(number)]
    case ..<0x100: return [type | 24, UInt8(number)]
    case ..<0x1_0000: return [type | 25] + bigEndian(number, 2)
    case ..<0x1_0000_0000: return [type | 26] + bigEndian(number, 4)
    default: return [type | 27] + bigEndian(number, 8)
    }
}

private func bigEndian(_ number: UInt64, _ count: Int) -> [UInt8] {
    (0..<count).reversed().map { UInt8(truncatingIfNeeded: number >> UInt64(8 * $0)) }
}

private func text(_ text: String) -> [UInt8] { head(3, UInt64(text.utf8.count)) + Array(text.utf8) }

private let now = Instant(milliseconds: 1_795_000_000_000)

private func fault(
    _ validator: some RecordValidator, _ key: [UInt8], _ value: [UInt8], at now: Instant = now
) -> RecordFault? {
    do throws(RecordFault) {
        try validator.validate(key: key, value: value, at: now)
        return nil
    } catch {
        return error
    }
}

@Suite("Records under /pk")
struct PublicKeyRecordTests {
    private let validator = PublicKeyRecordValidator()

    private func key(_ id: PeerID) -> [UInt8] { Array("/pk/".utf8) + Array(id.bytes) }

    @Test("the key that an id is made of is admitted, and no other")
    func keys() throws {
        let keys = try KeyPair()
        let other = try KeyPair()
        #expect(fault(validator, key(keys.peerID), keys.publicKey.encoded) == nil)
        #expect(fault(validator, key(keys.peerID), other.publicKey.encoded) == .contradictory)
        #expect(fault(validator, key(keys.peerID), []) == .malformed)
        #expect(fault(validator, key(keys.peerID), keys.publicKey.encoded + [0]) == .malformed)
        #expect(validator.select(key: key(keys.peerID), among: [keys.publicKey.encoded]) == 0)
    }

    @Test("a key whose id is its hash is admitted")
    func hashed() throws {
        var message = PublicKeyMessage()
        message.type = .ecdsa
        message.data = P256.Signing.PrivateKey().publicKey.derRepresentation
        let publicKey = try PublicKey(encoded: message.serializedBytes())
        #expect(publicKey.peerID.bytes.first == 0x12)
        #expect(fault(validator, key(publicKey.peerID), publicKey.encoded) == nil)
    }

    @Test("keys of other namespaces, and names that are no ids, are refused")
    func names() throws {
        let keys = try KeyPair()
        let value = keys.publicKey.encoded
        let id = Array(keys.peerID.bytes)
        #expect(fault(validator, Array("/ipns/".utf8) + id, value) == .unknownNamespace(nil))
        #expect(fault(validator, Array("/pk/".utf8), value) == .malformed)
        #expect(fault(validator, Array("/pk/".utf8) + id + [0], value) == .malformed)
        // Names are bytes, not text.
        let name = Array(PeerIDEncoding.libp2p.encode(keys.peerID).utf8)
        #expect(fault(validator, Array("/pk/".utf8) + name, value) == .malformed)
    }
}

@Suite("Records under /ipns")
struct IPNSRecordTests {
    private let validator = IPNSRecordValidator()
    private let keys: KeyPair
    private let key: [UInt8]

    init() throws {
        keys = try KeyPair()
        key = Array("/ipns/".utf8) + Array(keys.peerID.bytes)
    }

    @Test("records that py-libp2p writes are admitted, with and without the fields for old readers")
    func foreign() throws {
        let name = Array("/ipns/".utf8) + KadExamples.id0
        #expect(fault(validator, name, Self.foreignV2) == nil)
        #expect(fault(validator, name, Self.foreignV1) == nil)
        #expect(fault(validator, key, Self.foreignV2) == .badSignature)
    }

    @Test("a record signed by the name's key is admitted; by another's, or changed, it is not")
    func signatures() throws {
        let draft = Draft()
        #expect(fault(validator, key, try draft.signed(by: keys)) == nil)
        #expect(fault(validator, key, try draft.signed(by: keys, draft.old)) == nil)
        let other = try KeyPair()
        #expect(fault(validator, key, try draft.signed(by: other)) == .badSignature)
        // The other's key in the record does not help.
        let claimed = try draft.signed(by: other) { $0.pubKey = .init(other.publicKey.encoded) }
        #expect(fault(validator, key, claimed) == .contradictory)
        #expect(fault(validator, key, try draft.signed(by: keys) { $0.pubKey = .init(keys.publicKey.encoded) }) == nil)
        var later = draft
        later.sequence = 4
        #expect(fault(validator, key, try draft.signed(by: keys) { $0.data = .init(later.data) }) == .badSignature)
        #expect(fault(validator, key, try draft.signed(by: keys) { $0.clearSignatureV2() }) == .malformed)
        #expect(fault(validator, key, try draft.signed(by: keys) { $0.clearData() }) == .malformed)
        #expect(fault(validator, key, try draft.signed(by: keys) { $0.pubKey = .init([1, 2]) }) == .malformed)
    }

    @Test("a name that is a hash needs the key in the record")
    func hashedNames() throws {
        let privateKey = P256.Signing.PrivateKey()
        var message = PublicKeyMessage()
        message.type = .ecdsa
        message.data = privateKey.publicKey.derRepresentation
        let publicKey = try PublicKey(encoded: message.serializedBytes())
        let name = Array("/ipns/".utf8) + Array(publicKey.peerID.bytes)
        let draft = Draft()
        var entry = IpnsEntryMessage()
        entry.data = .init(draft.data)
        entry.signatureV2 = try privateKey.signature(for: Array("ipns-signature:".utf8) + draft.data).derRepresentation
        #expect(fault(validator, name, try entry.serializedBytes()) == .malformed)
        entry.pubKey = .init(publicKey.encoded)
        #expect(fault(validator, name, try entry.serializedBytes()) == nil)
    }

    @Test("a key of a kind that cannot be checked is nobody's fault")
    func unverifiable() throws {
        let encoded: [UInt8] = [0x08, 0x02, 0x12, 0x21, 0x02] + [UInt8](repeating: 7, count: 32)
        let publicKey = try PublicKey(encoded: encoded)
        let name = Array("/ipns/".utf8) + Array(publicKey.peerID.bytes)
        let fault = fault(validator, name, try Draft().signed(by: keys))
        #expect(fault == .unverifiable && fault?.speaksAgainstSender == false)
    }

    @Test("validity ends, to the millisecond")
    func validity() throws {
        var draft = Draft()
        draft.validity = "2026-11-18T10:13:20.500Z"
        let value = try draft.signed(by: keys)
        let end = Instant(milliseconds: 1_794_996_800_500)
        #expect(fault(validator, key, value, at: end) == nil)
        #expect(fault(validator, key, value, at: end.advanced(byMilliseconds: 1)) == .expired)
        draft.validityType = 1
        #expect(fault(validator, key, try draft.signed(by: keys)) == .malformed, "of another type nothing is known")
        draft.validityType = 0
        draft.validity = "tomorrow"
        #expect(fault(validator, key, try draft.signed(by: keys)) == .malformed)
    }

    @Test("fields for old readers that say something else than what is signed are refused")
    func contradictions() throws {
        let draft = Draft()
        let changes: [(inout IpnsEntryMessage) -> Void] = [
            { $0.value = .init([1]) }, { $0.clearValue() }, { $0.validity = .init([1]) }, { $0.validityType = 1 },
            { $0.sequence = 4 }, { $0.clearSequence() }, { $0.ttl = 1 },
        ]
        for (number, change) in changes.enumerated() {
            let value = try draft.signed(by: keys) {
                draft.old(&$0)
                change(&$0)
            }
            #expect(fault(validator, key, value) == .contradictory, "change \(number)")
        }
        // One of them alone is compared as well.
        #expect(fault(validator, key, try draft.signed(by: keys) { $0.sequence = 9 }) == .contradictory)
    }

    @Test("further fields of the signed part are passed over, whatever they hold; malformed ones are not")
    func furtherFields() throws {
        let good: [[UInt8]] = [
            [0xf6], [0x20], [0x82, 0x01, 0xa1, 0x61, 0x61, 0x80], [0xd8, 0x2a, 0x41, 0x00],
            [0xfb, 0, 0, 0, 0, 0, 0, 0, 0], [0x61, 0x62],
        ]
        for item in good {
            var draft = Draft()
            draft.extra = text("_x") + item
            draft.extraCount = 1
            #expect(fault(validator, key, try draft.signed(by: keys)) == nil, "\(item)")
        }
        let bad: [[UInt8]] = [
            [], [0x9f, 0xff], [0x9b] + [UInt8](repeating: 0xff, count: 8), [0xbb] + [UInt8](repeating: 0xff, count: 8),
            [0x18, 0x01], [0x42, 0x00], [UInt8](repeating: 0x81, count: 5_000), [0xf8, 0x20], [0x00, 0x00],
        ]
        for item in bad {
            var draft = Draft()
            draft.extra = text("_x") + item
            draft.extraCount = 1
            #expect(fault(validator, key, try draft.signed(by: keys)) == .malformed, "\(item.prefix(9))")
        }
        var twice = Draft()
        twice.extra = text("Sequence") + [0x09]
        twice.extraCount = 1
        #expect(fault(validator, key, try twice.signed(by: keys)) == .malformed)
    }

    @Test("records are 10 KiB at most")
    func size() throws {
        var draft = Draft()
        draft.value = [UInt8](repeating: 0x2f, count: 9_000)
        #expect(fault(validator, key, try draft.signed(by: keys)) == nil)
        draft.value = [UInt8](repeating: 0x2f, count: 10_240)
        #expect(fault(validator, key, try draft.signed(by: keys)) == .malformed)
    }

    @Test("the highest sequence counts, then the longest validity, then the first")
    func selection() throws {
        func record(_ sequence: UInt64, _ validity: String) throws -> [UInt8] {
            var draft = Draft()
            draft.sequence = sequence
            draft.validity = validity
            return try draft.signed(by: keys)
        }
        let old = try record(1, "2040-01-01T00:00:00Z")
        let short = try record(2, "2030-01-01T00:00:00Z")
        let long = try record(2, "2030-01-01T00:00:01Z")
        #expect(validator.select(key: key, among: [old, short]) == 1)
        #expect(validator.select(key: key, among: [short, old]) == 0)
        #expect(validator.select(key: key, among: [short, long, old]) == 1)
        #expect(validator.select(key: key, among: [long, long]) == 0)
        #expect(validator.select(key: key, among: [[], old]) == 1)
        #expect(validator.select(key: key, among: [try record(.max, "2030-01-01T00:00:00Z"), long]) == 0)
        #expect(validator.select(key: key, among: [[]]) == 0)
    }

    @Test("mutated records never pass for genuine, and never trap", arguments: Seeds.first(6))
    func mutations(seed: UInt64) throws {
        var generator = SeededGenerator(seed: seed)
        let genuine = try Draft().signed(by: keys)
        let signed = try IPNSRecord(genuine)
        for _ in 0..<300 {
            var value = genuine
            value.mutate(using: &generator)
            if fault(validator, key, value) == nil {
                // What is signed is as it was: only bytes that nobody reads have changed.
                #expect(try IPNSRecord(value).data == signed.data, "seed \(seed)")
            }
            _ = CBORMap(value)
            var data = signed.data
            data.mutate(using: &generator)
            if let map = CBORMap(data) { #expect(map.values.count <= CBORMap.keyLimit) }
        }
    }

    private static let foreignV2 = KadExamples.bytes(
        """
        4240ad6a14870bc9816a6c9a74274a00d3de1de8d02eac689ce3de294c93dc6272d99ce46f4f1835ac4c71b6701f2e3c30ecbfd8ffbbcdc89cccc216
        bd97fe13b60d4a64a56354544c1b0000034630b8a0006556616c75654e2f697066732f6261666b716161616853657175656e6365036856616c696469
        7479581e323130302d30312d30315430303a30303a30302e3030303030303030305a6c56616c69646974795479706500
        """)
    private static let foreignV1 = KadExamples.bytes(
        """
        0a0e2f697066732f6261666b7161616112020102221e323130302d30312d30315430303a30303a30302e3030303030303030305a28033080c0e285e3
        684240ad6a14870bc9816a6c9a74274a00d3de1de8d02eac689ce3de294c93dc6272d99ce46f4f1835ac4c71b6701f2e3c30ecbfd8ffbbcdc89cccc2
        16bd97fe13b60d4a64a56354544c1b0000034630b8a0006556616c75654e2f697066732f6261666b716161616853657175656e6365036856616c6964
        697479581e323130302d30312d30315430303a30303a30302e3030303030303030305a6c56616c69646974795479706500
        """)
}

@Suite("Records of namespaces that an operator opens")
struct AnyRecordTests {
    @Test("anything but nothing is admitted; a new one is offered before the one that is kept, and counts")
    func all() {
        let validator = AnyRecordValidator()
        let key = Array("/test/a".utf8)
        #expect(fault(validator, key, [1]) == nil)
        #expect(fault(validator, key, []) == .malformed)
        #expect(validator.select(key: key, among: [[1], [2], [3]]) == 0)
        let validators = RecordValidators(["test": validator])
        #expect(fault(validators, Array("/other/a".utf8), [1]) == .unknownNamespace("other"))
    }
}
