import Crypto
import Kademlia
import NIOCore
import TestSupport
import Testing

@testable import KadLibp2p

@Suite("Noise ciphers and channels")
struct NoiseTests {
    private let key = SymmetricKey(data: Array(UInt8(0)..<32))

    /// Two ends of a connection, without the handshake.
    private func channels() -> (SecureChannel, SecureChannel) {
        let there = NoiseCipher(key: key)
        let back = NoiseCipher(key: SymmetricKey(data: Array(UInt8(32)..<64)))
        return (
            SecureChannel(.init(sending: there, receiving: back)), SecureChannel(.init(sending: back, receiving: there))
        )
    }

    @Test("the last nonce but one is used, the last is not")
    func exhaustion() throws {
        var sending = NoiseCipher(key: key, counter: .max - 1)
        var receiving = NoiseCipher(key: key, counter: .max - 1)
        let sealed = try sending.seal([1, 2, 3], authenticating: [])
        #expect(try Array(receiving.open(sealed, authenticating: [])) == [1, 2, 3])
        #expect(throws: NoiseError.nonceExhausted) { try sending.seal([UInt8](), authenticating: []) }
        #expect(throws: NoiseError.nonceExhausted) { try receiving.open(sealed, authenticating: []) }
        #expect(UpgradeError.noise(.nonceExhausted).failureClass == .local)
    }

    @Test("the counter stands in little-endian order behind four zeros")
    func nonce() throws {
        var cipher = NoiseCipher(key: key, counter: 0x0102_0304_0506_0708)
        let nonce = try ChaChaPoly.Nonce(data: [0, 0, 0, 0, 8, 7, 6, 5, 4, 3, 2, 1] as [UInt8])
        let box = try ChaChaPoly.seal([9] as [UInt8], using: key, nonce: nonce, authenticating: [7] as [UInt8])
        #expect(try cipher.seal([9], authenticating: [7]) == box.ciphertext + box.tag)
    }

    @Test("what cannot be opened leaves the counter as it was")
    func failedOpen() throws {
        var sending = NoiseCipher(key: key)
        var receiving = NoiseCipher(key: key)
        let sealed = try sending.seal([1], authenticating: [])
        #expect(throws: NoiseError.authentication) { try receiving.open(sealed, authenticating: [1]) }
        #expect(throws: NoiseError.truncated) { try receiving.open(sealed.prefix(15), authenticating: []) }
        #expect(try Array(receiving.open(sealed, authenticating: [])) == [1])
    }

    @Test("the messages of a handshake come by turns")
    func turns() throws {
        var dialer = try NoiseVector.all[0].handshake(.dialer)
        var listener = try NoiseVector.all[0].handshake(.listener)
        #expect(throws: NoiseError.outOfTurn) { try dialer.read([]) }
        #expect(throws: NoiseError.outOfTurn) { try listener.write(payload: []) }
        #expect(throws: NoiseError.outOfTurn) { try dialer.split() }
        let first = try dialer.write(payload: [])
        #expect(throws: NoiseError.outOfTurn) { try dialer.write(payload: []) }
        #expect(throws: NoiseError.truncated) { try listener.copyReading(first.dropLast()) }
        _ = try listener.read(first)
        #expect(throws: NoiseError.outOfTurn) { try listener.read(first) }
        let second = try listener.write(payload: [])
        for count in second.indices {
            #expect(throws: NoiseError.self) { try dialer.copyReading(second.prefix(count)) }
        }
        _ = try dialer.read(second)
        _ = try listener.read(try dialer.write(payload: []))
        #expect(throws: NoiseError.outOfTurn) { try listener.write(payload: []) }
        #expect(throws: NoiseError.outOfTurn) { try listener.read([]) }
    }

    @Test("other prologues are another handshake")
    func prologue() throws {
        var dialer = try NoiseVector.all[0].handshake(.dialer)
        var listener = NoiseHandshake(
            role: .listener, staticKey: try UpgradePair.ephemeral("static"),
            ephemeral: try UpgradePair.ephemeral("ephemeral"))
        _ = try listener.read(try dialer.write(payload: []))
        let second = try listener.write(payload: [])
        #expect(throws: NoiseError.authentication) { try dialer.read(second) }
    }

    @Test("plaintext goes in as few frames as hold it, and in none where there is none")
    func frames() throws {
        var (sender, receiver) = channels()
        for (count, frameCount) in [(0, 0), (1, 1), (65_519, 1), (65_520, 2), (200_000, 4)] {
            let plaintext = ByteBuffer(bytes: (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 31) })
            var wire = ByteBuffer()
            try sender.seal(plaintext, into: &wire)
            #expect(wire.readableBytes == count + frameCount * 18)
            #expect(try receiver.open(&wire) == plaintext)
            #expect(wire.readableBytes == 0)
        }
    }

    @Test("frames are opened however they come cut", arguments: Seeds.first(20))
    func cuts(seed: UInt64) throws {
        var random = SeededGenerator(seed: seed)
        var (sender, receiver) = channels()
        var sent: [UInt8] = []
        var received: [UInt8] = []
        var waiting = ByteBuffer()
        for _ in 0..<30 {
            let piece = (0..<Int.random(in: 0...300, using: &random)).map { _ in
                UInt8.random(in: 0...255, using: &random)
            }
            sent += piece
            var wire = ByteBuffer()
            try sender.seal(ByteBuffer(bytes: piece), into: &wire)
            while wire.readableBytes > 0 {
                let count = Int.random(in: 1...wire.readableBytes, using: &random)
                waiting.writeBytes(wire.readableBytesView.prefix(count))
                wire.moveReaderIndex(forwardBy: count)
                received += try receiver.open(&waiting).readableBytesView
            }
        }
        #expect(waiting.readableBytes == 0 && received == sent)
    }

    @Test("a frame that is repeated, left out, swapped, changed, shortened or returned to its sender is refused")
    func tampering() throws {
        var (sender, receiver) = channels()
        var frames: [ByteBuffer] = []
        for text in ["one", "two"] {
            var wire = ByteBuffer()
            try sender.seal(ByteBuffer(string: text), into: &wire)
            frames.append(wire)
        }
        func refuses(_ frames: [ByteBuffer], _ error: NoiseError = .authentication) {
            var copy = receiver
            var wire = ByteBuffer()
            for frame in frames { wire.writeImmutableBuffer(frame) }
            #expect(throws: UpgradeError.noise(error)) { try copy.open(&wire) }
        }
        refuses([frames[0], frames[0]])
        refuses([frames[1]])
        refuses([frames[1], frames[0]])
        refuses([ByteBuffer(bytes: [0, 15] + Array(repeating: 7, count: 15))], .truncated)
        refuses([ByteBuffer(bytes: [0, 0])], .truncated)
        for index in 2..<frames[0].readableBytes {
            var bytes = Array(frames[0].readableBytesView)
            bytes[index] ^= 1
            refuses([ByteBuffer(bytes: bytes)])
        }
        #expect(throws: UpgradeError.noise(.authentication)) { try sender.open(&frames[0]) }
    }
}

extension NoiseHandshake {
    /// Reads a message without going on.
    func copyReading(_ message: some Sequence<UInt8>) throws -> [UInt8] {
        var copy = self
        return try copy.read(Array(message))
    }
}
