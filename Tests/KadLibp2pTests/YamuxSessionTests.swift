import Kademlia
import NIOCore
import Testing

@testable import KadLibp2p

@Suite("Yamux: two ends")
struct YamuxSessionTests {
    @Test("frames are the specification's, byte for byte")
    func bytesOfFrames() throws {
        var end = YamuxEnd(.dialer)
        let id = try end.open()
        try end.write(Array("hi".utf8), on: id)
        end.take(end.session.closeWriting(id, at: .zero))
        end.take(end.session.tick(at: .zero))
        end.receive([0, 2, 0, 1, 0, 0, 0, 0, 0xde, 0xad, 0xbe, 0xef])
        end.take(end.session.reset(id, at: .zero))
        end.take(end.session.goAway(at: .zero))
        #expect(
            Array(end.wire.readableBytesView) == [
                0, 1, 0, 1, 0, 0, 0, 1, 0, 0, 0, 0,  // window update, SYN
                0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 2, 0x68, 0x69,  // data
                0, 1, 0, 4, 0, 0, 0, 1, 0, 0, 0, 0,  // window update, FIN
                0, 2, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1,  // ping
                0, 2, 0, 2, 0, 0, 0, 0, 0xde, 0xad, 0xbe, 0xef,  // ping, answered
                0, 1, 0, 8, 0, 0, 0, 1, 0, 0, 0, 0,  // window update, RST
                0, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,  // go away
            ])
        #expect(end.closed == .closed)
    }

    /// What py-libp2p 0.8.1 sends, recorded: it opens a stream, says hello, reads an answer in two parts, and closes; takes
    /// a stream, reads, writes and resets it; pings; goes away.
    @Test("py-libp2p's frames are understood", arguments: [1, 7, 1_000])
    func recorded(size: Int) throws {
        let lines = [
            "000100010000000100000000", "00000000000000010000000568656c6c6f", "000100000000000100040001",
            "000100000000000100080004", "000100040000000100000000", "000100020000000200000000",
            "000100000000000200040003", "00000000000000020000000378797a", "000100080000000200000000",
            "000200010000000000000001", "000300000000000000000000",
        ]
        var bytes = lines.joined()[...]
        var end = YamuxEnd(.listener)
        let ours = try end.open()
        end.wire.clear()
        while !bytes.isEmpty {
            let part = bytes.prefix(2 * size)
            bytes = bytes.dropFirst(part.count)
            end.receive(
                stride(from: 0, to: part.count, by: 2).compactMap { offset in
                    UInt8(part.dropFirst(offset).prefix(2), radix: 16)
                })
        }
        let theirs = YamuxSession.StreamID(number: 1)
        #expect(end.opened == [theirs] && end.accepted == [ours])
        #expect(end.received == [theirs: Array("hello".utf8), ours: Array("xyz".utf8)])
        #expect(end.ended == [theirs] && end.failed == [ours: .reset])
        #expect(end.isGoneAway && end.closed == nil)
        #expect(end.session.streams[1]?.sendWindow == YamuxFrame.initialWindow + 0x40001 + 0x80004)
        #expect(try Set(end.takeFrames()) == [.update(1, .ack), .ping(.ack, 1)])
    }

    @Test(
        "the same is heard in parts of whatever size", arguments: [1, 2, 3, 5, 7, 11, 12, 13, 24, 100, 4_096, 1 << 20])
    func chunks(size: Int) throws {
        var pair = YamuxPair()
        let request = yamuxPattern(3_000)
        let reply = yamuxPattern(5_000, from: 77)
        let first = try pair.dialer.open()
        let second = try pair.dialer.open()
        try pair.dialer.write(request, on: first)
        try pair.dialer.write(reply, on: second)
        pair.dialer.take(pair.dialer.session.closeWriting(first, at: .zero))
        pair.carry(inPartsOf: size)
        #expect(pair.listener.opened == [first, second])
        #expect(pair.dialer.accepted == [first, second])
        #expect(pair.listener.received == [first: request, second: reply])
        #expect(pair.listener.ended == [first])

        try pair.listener.write(reply, on: first)
        pair.listener.take(pair.listener.session.closeWriting(first, at: .zero))
        let back = try pair.listener.open()
        try pair.listener.write(request, on: back)
        pair.carry(inPartsOf: size)
        #expect(pair.dialer.received == [first: reply, back: request])
        #expect(pair.dialer.ended == [first])
        #expect(back.number == 2)
        #expect(pair.dialer.session.streamCount == 2)
        #expect(pair.listener.session.streamCount == 2)

        pair.dialer.take(pair.dialer.session.reset(second, at: .zero))
        pair.carry(inPartsOf: size)
        #expect(pair.listener.failed == [second: .reset])
        #expect(pair.dialer.failed == [:])
        #expect(pair.listener.session.streamCount == 1)
    }

    @Test("a writer waits for the window, and nothing beyond it is sent")
    func window() throws {
        var pair = YamuxPair()
        pair.listener.reads = false
        let id = try pair.dialer.open()
        let bytes = yamuxPattern(600_000)
        try pair.dialer.write(bytes, on: id)
        #expect(pair.dialer.drained == [:])
        pair.carry()
        #expect(pair.listener.received[id]?.count == YamuxFrame.initialWindow)
        #expect(pair.dialer.session.queued == 600_000 - YamuxFrame.initialWindow)

        // Less than half of the window opens nothing.
        pair.listener.take(pair.listener.session.consumed(100_000, on: id, at: .zero))
        pair.carry()
        #expect(pair.listener.received[id]?.count == YamuxFrame.initialWindow)
        pair.listener.take(pair.listener.session.consumed(50_000, on: id, at: .zero))
        pair.carry()
        #expect(pair.listener.received[id]?.count == YamuxFrame.initialWindow + 150_000)

        pair.listener.take(pair.listener.session.consumed(YamuxFrame.initialWindow, on: id, at: .zero))
        pair.carry()
        #expect(pair.listener.received[id] == bytes)
        #expect(pair.dialer.drained == [id: 1])
        #expect(pair.dialer.session.queued == 0)
    }

    @Test("a stream that the other end has ended is given no more window")
    func noWindowAfterTheEnd() throws {
        var pair = YamuxPair()
        pair.listener.reads = false
        let id = try pair.dialer.open()
        try pair.dialer.write(yamuxPattern(200_000), on: id)
        pair.dialer.take(pair.dialer.session.closeWriting(id, at: .zero))
        pair.carry()
        pair.listener.take(pair.listener.session.accept(id, at: .zero))
        _ = try pair.listener.takeFrames()
        pair.listener.take(pair.listener.session.consumed(200_000, on: id, at: .zero))
        #expect(try pair.listener.takeFrames().isEmpty)
        #expect(pair.listener.session.buffered == 0)
    }

    @Test("a larger window than the specification's is given with SYN and ACK", arguments: [true, false])
    func largerWindow(byDialer: Bool) throws {
        var pair = YamuxPair { $0.receiveWindow = 1 << 20 }
        pair.dialer.reads = false
        pair.listener.reads = false
        let id = try pair.dialer.open()
        pair.carry()
        pair.listener.take(pair.listener.session.accept(id, at: .zero))
        pair.carry()
        let bytes = yamuxPattern(1 << 20)
        if byDialer { try pair.dialer.write(bytes, on: id) } else { try pair.listener.write(bytes, on: id) }
        pair.carry()
        #expect((byDialer ? pair.listener : pair.dialer).received[id] == bytes)
        #expect((byDialer ? pair.dialer : pair.listener).drained == [id: 1])
        #expect(pair.dialer.closed == nil && pair.listener.closed == nil)
    }
}
