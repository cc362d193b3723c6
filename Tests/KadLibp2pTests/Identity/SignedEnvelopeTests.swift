import Kademlia
import Multiformats
import SwiftProtobuf
import TestSupport
import Testing

@testable import KadLibp2p

@Suite("Signed envelopes and peer records")
struct SignedEnvelopeTests {
    private let keys: KeyPair
    private let record: SignedPeerRecord

    /// The envelope that py-libp2p 0.8.1 makes of the record.
    private static let encoded =
        Hex.decode(
            "0a240801122079e354810beea2a1e317ccc4f8fb518d599023755423d7a835659e9110f9afe5120203011a360a260024"
                + "0801122079e354810beea2a1e317ccc4f8fb518d599023755423d7a835659e9110f9afe510051a0a0a08047f00000106"
                + "0fa12a401c78c44f08ce67e8e6c020da04be17ec5a7109dfb3be261e0e962fd6aef0702e675940e026e4a6385b7cb497"
                + "1ff31954b25ba9c5ca81bbe97320f234fd53d10f") ?? []

    init() throws {
        keys = try KeyPair(seed: KeyVector.seed)
        record = SignedPeerRecord(
            peer: keys.peerID, sequence: 5, addresses: [try Multiaddr("/ip4/127.0.0.1/tcp/4001")])
    }

    @Test("a record is sealed as py-libp2p seals it, and read back")
    func vector() throws {
        #if os(Linux)
        #expect(try record.sealed(by: keys) == Self.encoded)
        #endif
        #expect(try SignedPeerRecord(envelope: Self.encoded) == record)
        #expect(try SignedPeerRecord(envelope: record.sealed(by: keys)) == record)
    }

    @Test("every flipped bit of an envelope is refused")
    func flips() {
        for index in Self.encoded.indices {
            for bit in 0..<8 {
                var changed = Self.encoded
                changed[index] ^= 1 << UInt8(bit)
                #expect(throws: EnvelopeError.self) { try SignedPeerRecord(envelope: changed) }
            }
            #expect(throws: EnvelopeError.self) {
                try SignedPeerRecord(envelope: Array(Self.encoded.prefix(index)))
            }
        }
    }

    @Test("what was signed for one purpose is not good for another")
    func purpose() throws {
        let envelope = try SignedEnvelope(sealing: [1, 2], type: [3], domain: "one", keys: keys)
        let encoded = try envelope.encoded
        #expect(try SignedEnvelope(encoded: encoded, domain: "one") == envelope)
        #expect(throws: EnvelopeError.badSignature) { try SignedEnvelope(encoded: encoded, domain: "two") }
        #expect(throws: EnvelopeError.badSignature) { try SignedEnvelope(encoded: encoded, domain: "") }
        // Lengths are signed too: what is cut in another place is another triple.
        var message = try SignedEnvelopeMessage(serializedBytes: encoded)
        message.payloadType = .init([3, 1])
        message.payload = .init([2])
        let shifted: [UInt8] = try message.serializedBytes()
        #expect(throws: EnvelopeError.badSignature) { try SignedEnvelope(encoded: shifted, domain: "one") }
    }

    @Test("a record of one peer that another signed is refused")
    func wrongSigner() throws {
        let other = try KeyPair(seed: Array(repeating: 1, count: 32))
        #expect(throws: EnvelopeError.wrongSigner(other.peerID)) { try record.sealed(by: other) }
        let payload = try SignedEnvelope(encoded: Self.encoded, domain: SignedPeerRecord.domain).payload
        func sealed(_ payload: [UInt8], type: [UInt8] = SignedPeerRecord.payloadType) throws -> [UInt8] {
            try SignedEnvelope(sealing: payload, type: type, domain: SignedPeerRecord.domain, keys: other).encoded
        }
        let stolen = try sealed(payload)
        #expect(throws: EnvelopeError.wrongSigner(other.peerID)) { try SignedPeerRecord(envelope: stolen) }
        let mistyped = try sealed(payload, type: [0x81, 0x06])
        #expect(throws: EnvelopeError.payloadType([0x81, 0x06])) { try SignedPeerRecord(envelope: mistyped) }
        let empty = try sealed([])
        #expect(throws: EnvelopeError.malformed) { try SignedPeerRecord(envelope: empty) }
    }

    @Test("addresses that cannot be read, and too many of them, are left out")
    func addresses() throws {
        var message = PeerRecordMessage()
        message.peerID = .init(keys.peerID.bytes)
        message.seq = .max
        for bytes in [[0xff, 0xff, 0xff], [], Array(try Multiaddr("/ip6/::1/udp/1/quic-v1").bytes)] as [[UInt8]] {
            var info = PeerRecordMessage.AddressInfo()
            info.multiaddr = .init(bytes)
            message.addresses.append(info)
        }
        message.addresses += Array(repeating: message.addresses[2], count: 1000)
        let envelope = try SignedEnvelope(
            sealing: message.serializedBytes(), type: SignedPeerRecord.payloadType, domain: SignedPeerRecord.domain,
            keys: keys)
        let read = try SignedPeerRecord(envelope: envelope.encoded)
        #expect(read.sequence == .max && read.addresses.count == SignedPeerRecord.addressLimit - 2)
    }

    @Test("a signer whose signatures cannot be checked is told from one who lies")
    func unsupported() throws {
        var message = try SignedEnvelopeMessage(serializedBytes: Self.encoded)
        message.publicKey = .init(KeyVector.secp256k1.encoded)
        let encoded: [UInt8] = try message.serializedBytes()
        #expect(throws: EnvelopeError.key(.unsupported(.secp256k1))) { try SignedPeerRecord(envelope: encoded) }
    }

    @Test("an envelope over the limit is refused before it is looked at")
    func limit() {
        let bytes = [UInt8](repeating: 0, count: SignedEnvelope.byteLimit + 1)
        #expect(throws: EnvelopeError.tooLong(count: 65_537, limit: 65_536)) { try SignedPeerRecord(envelope: bytes) }
    }

    @Test("arbitrary bytes never trap", arguments: Seeds.first(20))
    func fuzz(seed: UInt64) {
        var random = SeededGenerator(seed: seed)
        for _ in 0..<200 {
            var bytes = Self.encoded
            for _ in 0..<Int.random(in: 1...4, using: &random) {
                let start = Int.random(in: 0..<bytes.count, using: &random)
                let end = min(bytes.count, start + Int.random(in: 0...8, using: &random))
                let count = Int.random(in: 0...8, using: &random)
                bytes.replaceSubrange(start..<end, with: (0..<count).map { _ in .random(in: 0...255, using: &random) })
                if bytes.isEmpty { bytes = [0] }
            }
            guard bytes != Self.encoded else { continue }
            // A change may spare all that counts: an unknown field, or a length in a longer form.
            if let read = try? SignedPeerRecord(envelope: bytes) { #expect(read == record) }
        }
    }
}
