import Crypto
import CryptoExtras
import Kademlia
import Multiformats
import NIOCore
import SwiftProtobuf
import Testing

@testable import KadLibp2p

@Suite("Upgrading a connection to a hostile peer")
struct HostilePeerTests {
    /// What a dialer makes of a listener's claim.
    private func dial(_ listener: HostileListener) throws -> (ConnectionUpgrade, NoiseHandshake.Ciphers) {
        var dialer = try UpgradePair.end(.dialer)
        let ciphers = try listener.serve(&dialer)
        return (dialer, ciphers)
    }

    @Test("a key that does not vouch for the static key is a lie")
    func badSignature() throws {
        let victim = try UpgradePair.keys("listener")
        let own = try UpgradePair.keys("own")
        var listener = try HostileListener()
        for (key, signature) in [
            (victim, try own.sign(listener.toBeSigned)),
            (own, try own.sign(listener.toBeSigned.dropLast() + [0])),
            (own, try own.sign(Array(listener.staticKey.publicKey.rawRepresentation))),
            (own, []), (own, Array(repeating: 0, count: 64)), (own, Array(repeating: 0, count: 65_000 / 32)),
        ] {
            try listener.claim(key.publicKey.encoded, signature: signature)
            #expect(throws: UpgradeError.noise(.badSignature)) { try dial(listener) }
        }
        // Whoever is there has not proved to be the peer: that is held against the address.
        #expect(UpgradeError.noise(.badSignature).failureClass == .negotiation)
    }

    @Test("what vouches for another's static key is no proof: a stolen payload is a lie")
    func stolenPayload() throws {
        var listener = try HostileListener()
        listener.payload = try UpgradePair.keys("listener").noise.payload
        #expect(throws: UpgradeError.noise(.badSignature)) { try dial(listener) }
    }

    @Test("a payload that is no message, and a key that is none, are refused")
    func badPayload() throws {
        var listener = try HostileListener()
        listener.payload = [0xff, 0xff, 0xff]
        #expect(throws: UpgradeError.noise(.payload)) { try dial(listener) }
        listener.payload = []
        #expect(throws: UpgradeError.noise(.key(.malformed))) { try dial(listener) }
        try listener.claim(Array(repeating: 8, count: 3000), signature: [])
        #expect(throws: UpgradeError.noise(.key(.tooLong(count: 3000, limit: 2048)))) { try dial(listener) }
    }

    @Test("RSA and ECDSA identities are taken; a secp256k1 one cannot be, which is no fault of its own")
    func algorithms() throws {
        var listener = try HostileListener()
        func claim(_ type: KeyAlgorithm, _ data: some Sequence<UInt8>, _ signature: some Sequence<UInt8>) throws {
            var message = PublicKeyMessage()
            message.type = type
            message.data = .init(Array(data))
            try listener.claim(message.serializedBytes(), signature: Array(signature))
        }
        let ecdsa = P256.Signing.PrivateKey()
        try claim(
            .ecdsa, ecdsa.publicKey.derRepresentation, ecdsa.signature(for: listener.toBeSigned).derRepresentation)
        _ = try dial(listener)

        let rsa = try _RSA.Signing.PrivateKey(keySize: .bits2048)
        let signature = try rsa.signature(for: listener.toBeSigned, padding: .insecurePKCS1v1_5)
        try claim(.rsa, rsa.publicKey.derRepresentation, signature.rawRepresentation)
        _ = try dial(listener)

        try claim(.secp256K1, [2] + Array(repeating: UInt8(7), count: 32), [1, 2, 3])
        #expect(throws: UpgradeError.noise(.key(.unsupported(.secp256k1)))) { try dial(listener) }
        #expect(UpgradeError.noise(.key(.unsupported(.secp256k1))).failureClass == .negotiation)
    }

    @Test("extensions, known and unknown, are let be")
    func extensions() throws {
        var listener = try HostileListener()
        let own = try UpgradePair.keys("own")
        try listener.claim(own.publicKey.encoded, signature: try own.sign(listener.toBeSigned))
        var message = try NoisePayload(serializedBytes: listener.payload)
        message.extensions.streamMuxers = ["/yamux/1.0.0", "/mplex/6.7.0"]
        message.extensions.webtransportCerthashes = [.init(repeating: 7, count: 34)]
        listener.payload = try message.serializedBytes() + [0x1a, 0x02, 0x68, 0x69, 0x7a, 0x01, 0x00]
        _ = try dial(listener)
    }

    @Test("a dialer who finds somebody else says so, and does not say who it is")
    func wrongIdentity() throws {
        var pair = try UpgradePair(expecting: try UpgradePair.keys("another").peerID)
        let found = try UpgradePair.keys("listener").peerID
        #expect(throws: UpgradeError.wrongIdentity(found)) { try pair.run() }
        #expect(UpgradeError.wrongIdentity(found).failureClass == .identityMismatch)
        // Two lines of negotiation, and the ephemeral key in its frame.
        #expect(pair.sent[.dialer]?.count == 20 + 8 + 34)

        pair = try UpgradePair(expecting: found)
        try pair.run()
        #expect(pair.established[.dialer]?.remote == found)
    }

    @Test("a key of low order is refused, by either end", arguments: LowOrder.points)
    func lowOrder(_ point: String) throws {
        let point = try #require(Hex.decode(point))
        var listener = try UpgradePair.end(.listener)
        var wire = ByteBuffer()
        for line in [MultistreamLine.header, Array("/noise".utf8)] { MultistreamLine.append(line, to: &wire) }
        NoiseFrame.append(point, to: &wire)
        #expect(throws: UpgradeError.noise(.weakKey)) { try listener.receive(&wire) }

        var pair = try UpgradePair()
        #expect(throws: UpgradeError.noise(.weakKey)) {
            try pair.deliver(from: .dialer)
            // Behind two lines of negotiation, and the length of the frame.
            try pair.deliver(from: .listener) { $0.replaceSubrange(30..<62, with: point) }
        }
    }

    @Test("a handshake message over the limit is refused by its length alone")
    func oversizedHandshake() throws {
        var listener = try UpgradePair.end(.listener)
        var wire = ByteBuffer()
        for line in [MultistreamLine.header, Array("/noise".utf8)] { MultistreamLine.append(line, to: &wire) }
        wire.writeInteger(UInt16(ConnectionUpgrade.handshakeLimit + 1))
        #expect(throws: UpgradeError.noise(.tooLong(count: 8193, limit: 8192))) { try listener.receive(&wire) }
    }

    @Test("a listener stops answering proposals after a bounded number of them")
    func proposals() throws {
        var listener = try UpgradePair.end(.listener)
        var wire = ByteBuffer()
        MultistreamLine.append(MultistreamLine.header, to: &wire)
        for _ in 0..<100 { MultistreamLine.append(Array("/tls/1.0.0".utf8), to: &wire) }
        #expect(throws: UpgradeError.negotiation(of: .security, .tooManyProposals(limit: 20))) {
            try listener.receive(&wire)
        }
    }

    @Test("empty frames without end are refused after a bounded number of bytes")
    func emptyFrames() throws {
        var listener = try HostileListener()
        let own = try UpgradePair.keys("own")
        try listener.claim(own.publicKey.encoded, signature: try own.sign(listener.toBeSigned))
        var (dialer, ciphers) = try dial(listener)
        #expect(throws: UpgradeError.tooLong(limit: ConnectionUpgrade.byteLimit)) {
            for count in 0..<ConnectionUpgrade.byteLimit {
                var frame = try ciphers.frame(ByteBuffer())
                let progress = try dialer.receive(&frame)
                #expect(progress.send == nil && progress.established == nil, "after \(count) frames")
            }
        }
        // Some are harmless, here in one piece with the agreement and what follows it.
        (dialer, ciphers) = try dial(listener)
        var wire = try ciphers.frame(ByteBuffer())
        var agreement = ByteBuffer()
        MultistreamLine.append(MultistreamLine.header, to: &agreement)
        MultistreamLine.append(Array("/yamux/1.0.0".utf8), to: &agreement)
        agreement.writeString("more")
        wire.writeImmutableBuffer(try ciphers.frame(agreement))
        wire.writeImmutableBuffer(try ciphers.frame(ByteBuffer(string: "and more")))
        wire.writeInteger(UInt8(1))
        let progress = try dialer.receive(&wire)
        var established = try #require(progress.established)
        #expect(String(buffer: established.plaintext) == "more")
        #expect(String(buffer: try established.channel.open(&established.leftover)) == "and more")
        #expect(established.leftover.readableBytes == 1)
    }

    @Test("a listener that speaks no Noise, or no Yamux, is told from one that lies")
    func negotiation() throws {
        var dialer = try UpgradePair.end(.dialer)
        _ = try dialer.begin()
        var wire = ByteBuffer()
        MultistreamLine.append(MultistreamLine.header, to: &wire)
        MultistreamLine.append(MultistreamLine.notAvailable, to: &wire)
        let error = UpgradeError.negotiation(of: .security, .noneAccepted)
        #expect(throws: error) { try dialer.receive(&wire) }
        #expect(error.failureClass == .negotiation)

        var listener = try HostileListener()
        let own = try UpgradePair.keys("own")
        try listener.claim(own.publicKey.encoded, signature: try own.sign(listener.toBeSigned))
        var (other, ciphers) = try dial(listener)
        var refusal = ByteBuffer()
        MultistreamLine.append(MultistreamLine.header, to: &refusal)
        MultistreamLine.append(MultistreamLine.notAvailable, to: &refusal)
        wire = try ciphers.frame(refusal)
        #expect(throws: UpgradeError.negotiation(of: .multiplexing, .noneAccepted)) { try other.receive(&wire) }
    }
}

/// Points whose agreement is zero with whomever (RFC 7748, section 6.1): 0, 1, two of order 8, and p - 1, p, p + 1.
enum LowOrder {
    static let points = [
        "0000000000000000000000000000000000000000000000000000000000000000",
        "0100000000000000000000000000000000000000000000000000000000000000",
        "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
        "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    ]
}
