import Kademlia
import NIOCore
import TestSupport
import Testing

@testable import KadLibp2p

@Suite("Yamux: damaged and arbitrary input")
struct YamuxFuzzTests {
    /// A frame that is often nearly right: small numbers, lengths around the limits.
    private func frame(_ generator: inout SeededGenerator) -> [UInt8] {
        let lengths: [UInt32] = [0, 1, 2, 100, 5_000, 65_536, 262_143, 262_144, 262_145, .max, .max - 262_144]
        var frame = YamuxFrame(kind: [.data, .data, .windowUpdate, .ping, .goAway].randomElement(using: &generator)!)
        frame.flags = YamuxFrame.Flags(rawValue: UInt16.random(in: 0..<16, using: &generator))
        if Bool.random(using: &generator) { frame.flags = [] }
        frame.stream = UInt32.random(in: 0..<20, using: &generator)
        if UInt8.random(in: 0..<40, using: &generator) == 0 { frame.stream = .max }
        frame.length = lengths.randomElement(using: &generator)!
        if frame.kind == .goAway, UInt8.random(in: 0..<8, using: &generator) > 0 { frame.length = 0 }
        let count = frame.kind == .data ? min(Int(frame.length), Int.random(in: 0...20_000, using: &generator)) : 0
        return frame.bytes([UInt8](repeating: 0, count: count))
    }

    /// What our own side does meanwhile.
    private func act(_ end: inout YamuxEnd, _ generator: inout SeededGenerator, at now: Uptime) {
        let id = YamuxSession.StreamID(number: UInt32.random(in: 0..<20, using: &generator))
        switch UInt8.random(in: 0..<10, using: &generator) {
        case 0: _ = try? end.open(at: now)
        case 1...3:
            let bytes = ByteBuffer(repeating: 1, count: Int.random(in: 0...200_000, using: &generator))
            if let directives = try? end.session.write(bytes, on: id, at: now) { end.take(directives, at: now) }
        case 4: end.take(end.session.consumed(.random(in: -5...300_000, using: &generator), on: id, at: now), at: now)
        case 5: end.take(end.session.closeWriting(id, at: now), at: now)
        case 6: end.take(end.session.reset(id, at: now), at: now)
        case 7: end.take(end.session.accept(id, at: now), at: now)
        case 8: end.take(end.session.tick(at: now), at: now)
        default: if UInt8.random(in: 0..<50, using: &generator) == 0 { end.take(end.session.goAway(at: now), at: now) }
        }
    }

    @Test("nothing that comes traps or makes a session keep more than its bounds", arguments: Seeds.first(300))
    func frames(seed: UInt64) throws {
        var generator = SeededGenerator(seed: seed)
        var end = YamuxEnd(seed % 2 == 0 ? .dialer : .listener) {
            $0.maximumInboundStreams = 6
            $0.maximumBufferedBytes = 400_000
            $0.maximumQueuedBytes = 400_000
        }
        end.reads = seed % 3 > 0
        var now = Uptime(milliseconds: Int64(seed) * 1_000)
        for _ in 0..<150 where end.closed == nil {
            now = now.advanced(byMilliseconds: Int64.random(in: 0...3_000, using: &generator))
            act(&end, &generator, at: now)
            end.receive(frame(&generator), at: now)
            end.received = [:]
            end.wire = ByteBuffer()
            let faults = end.session.faults()
            #expect(faults == [])
            if !faults.isEmpty { return }
        }
    }

    @Test("arbitrary bytes end a session or are waited for", arguments: Seeds.first(100))
    func arbitrary(seed: UInt64) {
        var generator = SeededGenerator(seed: seed)
        var end = YamuxEnd(.listener)
        for _ in 0..<20 where end.closed == nil {
            let count = Int.random(in: 0...60, using: &generator)
            end.receive((0..<count).map { _ in UInt8.random(in: 0...255, using: &generator) })
            #expect(end.session.faults() == [])
        }
        if case .violation? = end.closed { return }
        #expect(end.closed == nil)
    }

    @Test(
        "a conversation with damaged bytes never traps, and what is read is a prefix or the session ends",
        arguments: Seeds.first(200))
    func damaged(seed: UInt64) throws {
        var generator = SeededGenerator(seed: seed)
        var dialer = YamuxEnd(.dialer)
        for index in 0..<4 {
            let id = try dialer.open()
            try dialer.write(yamuxPattern(Int.random(in: 0...3_000, using: &generator), from: index), on: id)
            if index % 2 == 0 { dialer.take(dialer.session.closeWriting(id, at: .zero)) }
        }
        dialer.take(dialer.session.tick(at: .zero))
        var bytes = Array(dialer.wire.readableBytesView)
        for _ in 0..<Int.random(in: 1...4, using: &generator) {
            let index = Int.random(in: 0..<bytes.count, using: &generator)
            switch UInt8.random(in: 0..<4, using: &generator) {
            case 0: bytes[index] ^= 1 << UInt8.random(in: 0..<8, using: &generator)
            case 1: bytes[index] = .random(in: 0...255, using: &generator)
            case 2: bytes.removeSubrange(index..<min(bytes.count, index + 13))
            default: bytes.insert(contentsOf: bytes.prefix(index).suffix(24), at: index)
            }
            if bytes.isEmpty { return }
        }
        var listener = YamuxEnd(.listener)
        var rest = bytes[...]
        while !rest.isEmpty {
            let part = rest.prefix(Int.random(in: 1...5_000, using: &generator))
            rest = rest.dropFirst(part.count)
            listener.receive(Array(part))
            #expect(listener.session.faults() == [])
        }
        #expect(listener.received.values.reduce(0) { $0 + $1.count } <= bytes.count)
    }
}
