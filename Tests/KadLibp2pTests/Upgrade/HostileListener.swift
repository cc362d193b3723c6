import Crypto
import NIOCore
import SwiftProtobuf
import Testing

@testable import KadLibp2p

/// A listener that says of itself what it likes.
struct HostileListener {
    let staticKey: Curve25519.KeyAgreement.PrivateKey
    /// The plaintext of its payload.
    var payload: [UInt8] = []

    init() throws { staticKey = try UpgradePair.ephemeral("hostile static key") }

    /// The bytes that an identity key signs to vouch for the static key.
    var toBeSigned: [UInt8] { Array("noise-libp2p-static-key:".utf8) + staticKey.publicKey.rawRepresentation }

    mutating func claim(_ key: [UInt8], signature: [UInt8]) throws {
        var message = NoisePayload()
        message.identityKey = .init(key)
        message.identitySig = .init(signature)
        payload = try message.serializedBytes()
    }

    /// Serves a dialer up to the end of the handshake.
    ///
    /// - Returns: its ciphers, which have opened the dialer's proposal of a muxer.
    func serve(_ dialer: inout ConnectionUpgrade) throws -> NoiseHandshake.Ciphers {
        var handshake = NoiseHandshake(
            role: .listener, staticKey: staticKey, ephemeral: try UpgradePair.ephemeral("hostile"))
        var negotiation = MultistreamNegotiation(role: .listener, protocols: ["/noise"])
        var wire = try dialer.begin() ?? ByteBuffer()
        var answer = try negotiation.receive(&wire).send ?? ByteBuffer()
        _ = try handshake.read(try Self.frame(from: &wire))
        NoiseFrame.append(try handshake.write(payload: payload), to: &answer)
        wire = try dialer.receive(&answer).send ?? ByteBuffer()
        _ = try handshake.read(try Self.frame(from: &wire))
        var ciphers = try handshake.split()
        _ = try ciphers.receiving.open(Self.frame(from: &wire), authenticating: [])
        return ciphers
    }

    private static func frame(from wire: inout ByteBuffer) throws -> [UInt8] {
        let frame = NoiseFrame.read(from: &wire)
        return Array(try #require(frame).readableBytesView)
    }
}

extension NoiseHandshake.Ciphers {
    /// One frame, of no plaintext too.
    mutating func frame(_ plaintext: ByteBuffer) throws -> ByteBuffer {
        var output = ByteBuffer()
        NoiseFrame.append(try sending.seal(Array(plaintext.readableBytesView), authenticating: []), to: &output)
        return output
    }
}
