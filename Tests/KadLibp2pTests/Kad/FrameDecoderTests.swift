import Kademlia
import Multiformats
import NIOCore
import TestSupport
import Testing

@testable import KadLibp2p

@Suite("Frames of messages")
struct FrameDecoderTests {
    @Test("messages come out whole, however their bytes come", arguments: Seeds.first(20))
    func chunks(seed: UInt64) throws {
        var generator = SeededGenerator(seed: seed)
        let messages = (0..<40).map { _ in
            let count = Int.random(in: 0...Int.random(in: 0...3_000, using: &generator), using: &generator)
            return (0..<count).map { _ in UInt8.random(in: .min ... .max, using: &generator) }
        }
        var wire = messages.flatMap { Array(FrameDecoder.frame($0).readableBytesView) }[...]
        var decoder = FrameDecoder()
        var read: [[UInt8]] = []
        while !wire.isEmpty {
            let piece = wire.prefix(Int.random(in: 1...2_000, using: &generator))
            wire = wire.dropFirst(piece.count)
            decoder.append(ByteBuffer(bytes: piece))
            while let message = try decoder.next(limit: 3_000) { read.append(message) }
            #expect(decoder.buffered < 3_000 + 10)
        }
        #expect(read == messages, "seed \(seed)")
        #expect(decoder.isBetweenMessages)
    }

    @Test("a length over the limit is refused before anything of the body has come")
    func tooLong() throws {
        for limit in [0, 127, 128, 4 << 20] {
            var length: [UInt8] = []
            Varint.append(UInt64(limit) + 1, to: &length)
            var decoder = FrameDecoder()
            decoder.append(ByteBuffer(bytes: length))
            #expect(throws: KadFault.tooLong(stated: UInt64(limit) + 1, limit: limit)) {
                _ = try decoder.next(limit: limit)
            }
        }
        var decoder = FrameDecoder()
        decoder.append(ByteBuffer(bytes: [UInt8](repeating: 0xff, count: 9) + [1]))
        #expect(throws: KadFault.tooLong(stated: .max, limit: 100)) { _ = try decoder.next(limit: 100) }
    }

    @Test("a length that is no varint is refused as soon as that is certain")
    func malformedLength() throws {
        for bytes: [UInt8] in [
            [0x80, 0x00], [UInt8](repeating: 0x80, count: 10), [UInt8](repeating: 0xff, count: 9) + [2],
        ] {
            var decoder = FrameDecoder()
            decoder.append(ByteBuffer(bytes: bytes))
            #expect(throws: KadFault.malformedLength) { _ = try decoder.next(limit: 100) }
        }
        var decoder = FrameDecoder()
        decoder.append(ByteBuffer(bytes: [0x80]))
        #expect(try decoder.next(limit: 100) == nil)
        #expect(!decoder.isBetweenMessages)
    }
}
