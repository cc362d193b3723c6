import Kademlia
import NIOCore
import Testing

@testable import KadLibp2p

@Suite("Yamux: a hostile other end")
struct YamuxHostileTests {
    /// The listener's end, with a stream that the other end opened, number 1.
    private func listener(_ configure: (inout YamuxSession.Configuration) -> Void = { _ in }) -> YamuxEnd {
        var end = YamuxEnd(.listener, configure)
        end.receive([.update(1, .syn)])
        end.wire.clear()
        return end
    }

    private func isOver(_ end: inout YamuxEnd, with violation: YamuxViolation) throws -> Bool {
        let last = try end.takeFrames().last
        return end.closed == .violation(violation) && last == .goAway(.protocolError)
            && end.session.streamCount == 0 && end.session.faults().isEmpty
            && end.failed.values.allSatisfy {
                $0 == .violation(violation)
            }
    }

    @Test("what is no frame of the protocol ends the session")
    func malformed() throws {
        for version in [UInt8(1), 2, 255] {
            var end = listener()
            end.receive([version, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0])
            #expect(try isOver(&end, with: .version(version)))
            #expect(end.failed.count == 1)
        }
        for type in [UInt8(4), 5, 255] {
            var end = listener()
            end.receive([0, type, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0])
            #expect(try isOver(&end, with: .frameType(type)))
        }
        // What comes behind is not looked at.
        var end = listener()
        end.receive([1, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0] + YamuxFrame.update(3, .syn).bytes())
        #expect(end.opened.count == 1)
        end.receive([.update(5, .syn), .ping(.syn, 1)])
        #expect(try end.takeFrames().count == 1)
    }

    @Test("a frame that is larger than its window is refused by its header, before any of its body")
    func windowOverrun() throws {
        for length in [YamuxFrame.initialWindow + 1, 1 << 24, Int(UInt32.max)] {
            var end = listener()
            end.receive([.data(1, length: length)])
            #expect(try isOver(&end, with: .windowOverrun(stream: 1, length: UInt32(length))))
            #expect(end.received == [:])
        }
        // Bit by bit, without anybody reading.
        var end = listener()
        end.reads = false
        let frame = YamuxFrame.data(1, length: 65_536).bytes([UInt8](repeating: 7, count: 65_536))
        for _ in 0..<4 { end.receive(frame) }
        #expect(end.session.buffered == YamuxFrame.initialWindow && end.closed == nil)
        end.receive([.data(1, length: 1)])
        #expect(try isOver(&end, with: .windowOverrun(stream: 1, length: 1)))
        // With the frame that opens a stream, and with one that resets it.
        for flags in [YamuxFrame.Flags.syn, [.syn, .fin], [.syn, .rst]] {
            var end = YamuxEnd(.listener)
            end.receive([.data(1, flags, length: YamuxFrame.initialWindow + 1)])
            let length = UInt32(YamuxFrame.initialWindow + 1)
            #expect(try isOver(&end, with: .windowOverrun(stream: 1, length: length)))
        }
    }

    @Test("a frame's body is never gathered: what came of it is handed on")
    func partialBody() {
        var end = listener()
        end.receive(YamuxFrame.data(1, length: 200_000).bytes(yamuxPattern(1_000)))
        for part in 1..<10 { end.receive(yamuxPattern(1_000, from: part * 1_000)) }
        #expect(end.received.values.first == yamuxPattern(10_000))
        #expect(end.session.header.readableBytes == 0 && end.session.faults() == [])
    }

    @Test("a stream of single bytes does not keep the buffers that they came in")
    func smallParts() {
        var end = YamuxSession(role: .listener)
        var bytes = ByteBuffer(bytes: YamuxFrame.update(1, .syn).bytes() + YamuxFrame.update(3, .syn).bytes())
        for index in 0..<2_000 {
            bytes.writeBytes(YamuxFrame.data(1, length: 1).bytes([UInt8(truncatingIfNeeded: index)]))
        }
        bytes.writeBytes(YamuxFrame.data(3, length: 1).bytes([1]))
        var parts: [ByteBuffer] = []
        for case .received(_, let part) in end.receive(&bytes, at: .zero) { parts.append(part) }
        #expect(parts.map(\.readableBytes) == [2_000, 1])
        #expect(parts.allSatisfy { $0.storageCapacity <= 4_096 })
    }

    @Test("updates that add up to more than 32 bits end the session")
    func windowOverflow() throws {
        var end = listener()
        end.receive([.update(1, by: .max - UInt32(YamuxFrame.initialWindow))])
        #expect(end.closed == nil)
        end.receive([.update(1, by: 1)])
        #expect(try isOver(&end, with: .windowOverflow(stream: 1)))
        var opening = YamuxEnd(.listener)
        opening.receive([.update(1, .syn, by: .max)])
        #expect(try isOver(&opening, with: .windowOverflow(stream: 1)))
    }

    @Test("streams with the wrong parity, number 0, and numbers that were used end the session")
    func ids() throws {
        for id: UInt32 in [0, 2, 4, .max - 1] {
            var end = listener()
            end.receive([.update(id, .syn)])
            #expect(try isOver(&end, with: .wrongParity(stream: id)))
        }
        var twice = listener()
        twice.receive([.update(1, .syn)])
        #expect(try isOver(&twice, with: .reusedID(stream: 1)))
        var after = listener()
        after.take(after.session.reset(YamuxSession.StreamID(number: 1), at: .zero))
        after.receive([.update(1, .syn)])
        #expect(try isOver(&after, with: .reusedID(stream: 1)))
    }

    @Test("numbers may come a little out of order, once each; what was left out long ago may not come any more")
    func order() throws {
        var end = YamuxEnd(.listener)
        end.receive([.update(5, .syn), .update(1, .syn), .update(9, .syn), .update(3, .syn), .update(7, .syn)])
        #expect(end.opened.map(\.number) == [5, 1, 9, 3, 7] && end.closed == nil)
        end.receive([.update(3, .syn)])
        #expect(try isOver(&end, with: .reusedID(stream: 3)))

        var far = listener()
        far.receive([.update(.max, .syn)])
        #expect(far.opened.count == 2 && far.session.faults() == [])
        far.receive([.update(.max - 2, .syn)])
        #expect(far.opened.count == 3)
        far.receive([.update(3, .syn)])
        #expect(try isOver(&far, with: .reusedID(stream: 3)))
    }

    @Test("frames for streams that were never opened end the session")
    func unknown() throws {
        let frames: [YamuxFrame] = [
            .data(3, length: 1), .update(3, by: 1), .update(3, .rst), .update(3, .fin), .data(2, length: 0),
            .update(2, .rst), .data(0, length: 0), .update(0, by: 1), .update(.max, .ack),
        ]
        for frame in frames {
            var end = listener()
            end.receive([frame])
            #expect(try isOver(&end, with: .unknownStream(stream: frame.stream)), "\(frame)")
        }
    }

    @Test("bytes after a stream's end break the rules")
    func afterEnd() throws {
        var end = listener()
        end.receive([.update(1, .fin)])
        end.receive([.data(1, length: 0)])
        #expect(end.ended.count == 1 && end.closed == nil)
        end.receive([.data(1, length: 1)])
        #expect(try isOver(&end, with: .dataAfterEnd(stream: 1)))
    }

    @Test("what was under way on a stream that was reset is skipped, up to its window")
    func underWay() throws {
        var end = listener()
        end.take(end.session.reset(YamuxSession.StreamID(number: 1), at: .zero))
        let rest = YamuxFrame.initialWindow
        end.receive(YamuxFrame.data(1, length: rest - 1).bytes([UInt8](repeating: 1, count: rest - 1)))
        end.receive([.update(1, by: 1), .update(1, .fin)])
        end.receive(YamuxFrame.data(1, length: 1).bytes([1]) + YamuxFrame.ping(.syn, 5).bytes())
        #expect(end.received == [:] && end.closed == nil)
        #expect(try end.takeFrames() == [.update(1, .rst), .ping(.ack, 5)])
        end.receive([.data(1, length: 1)])
        #expect(try isOver(&end, with: .windowOverrun(stream: 1, length: 1)))
    }

    @Test("what is remembered of streams that are over is bounded")
    func goneStreams() {
        var end = YamuxEnd(.listener)
        var id: UInt32 = 1
        for _ in 0..<3_000 {
            end.receive([.update(id, [.syn, .fin])])
            end.take(end.session.closeWriting(YamuxSession.StreamID(number: id), at: .zero))
            id += 2
        }
        #expect(end.closed == nil && end.session.streamCount == 0)
        #expect(end.session.gone.count == YamuxGoneStreams.capacity)
        // The forgotten ones are skipped too.
        end.receive(YamuxFrame.data(1, length: 100).bytes([UInt8](repeating: 1, count: 100)))
        end.receive([.ping(.syn, 1)])
        #expect(end.closed == nil)
    }

    @Test("streams beyond the limit are reset as they come, and no more than their numbers is kept")
    func streamFlood() throws {
        var end = YamuxEnd(.listener) {
            $0.maximumInboundStreams = 10
            $0.idleFrames = .init(burst: 50, perSecond: 1)
        }
        for index in 0..<10 { end.receive([.update(UInt32(2 * index + 1), .syn)]) }
        #expect(end.opened.count == 10 && end.closed == nil)
        for index in 10..<60 {
            let id = UInt32(2 * index + 1)
            // And what is under way on it.
            end.receive(YamuxFrame.data(id, .syn, length: 3).bytes([1, 2, 3]))
            for _ in 0..<5 { end.receive(YamuxFrame.data(id, length: 2).bytes([4, 5])) }
            #expect(try end.takeFrames() == [.update(id, .rst)])
        }
        #expect(end.opened.count == 10 && end.received == [:] && end.closed == nil)
        #expect(end.session.streamCount == 10 && end.session.faults() == [])
        end.receive([.update(121, .syn)])
        #expect(try isOver(&end, with: .idleFrameFlood))
    }

    @Test("streams that nobody accepts are bounded, in both directions")
    func backlog() throws {
        var end = YamuxEnd(.listener) { $0.maximumBacklog = 5 }
        for index in 0..<6 { end.receive([.update(UInt32(2 * index + 1), .syn)]) }
        #expect(end.opened.count == 5)
        #expect(try end.takeFrames() == [.update(11, .rst)])
        end.take(end.session.accept(end.opened[0], at: .zero))
        end.receive([.update(13, .syn)])
        #expect(end.opened.count == 6)
        for _ in 0..<5 { _ = try end.open() }
        #expect(throws: YamuxError.backlogFull) { _ = try end.open() }
        // An ACK, or whatever else shows that it was taken.
        end.receive([.update(2, .ack)])
        end.receive(YamuxFrame.data(4, length: 1).bytes([9]))
        #expect(end.accepted.map(\.number).sorted() == [2, 4])
        for _ in 0..<2 { _ = try end.open() }
        #expect(throws: YamuxError.backlogFull) { _ = try end.open() }
        end.receive([.update(6, .rst)])
        #expect(end.failed.values.first == .refused)
        _ = try end.open()
        #expect(end.session.faults() == [])
    }

    @Test("streams that are opened only to be reset are a flood")
    func rapidReset() throws {
        var end = YamuxEnd(.listener) { $0.idleFrames = .init(burst: 20, perSecond: 1) }
        var id: UInt32 = 1
        while end.closed == nil, id < 1_000 {
            end.receive([.update(id, .syn), .update(id, .rst)])
            id += 2
        }
        #expect(end.opened.count == 21 && end.failed.count == 21)
        #expect(end.failed.values.allSatisfy { $0 == .reset })
        #expect(end.closed == .violation(.idleFrameFlood) && end.session.faults() == [])
    }

    struct Flood: Sendable, CustomTestStringConvertible {
        let violation: YamuxViolation
        let frame: YamuxFrame
        var testDescription: String { "\(violation): \(frame)" }
    }

    static let floods = [
        Flood(violation: .pingFlood, frame: .ping(.syn, 1)),
        Flood(violation: .idleFrameFlood, frame: .ping(.ack, 99)),
        Flood(violation: .idleFrameFlood, frame: .ping([], 99)),
        Flood(violation: .idleFrameFlood, frame: .data(1, length: 0)),
        Flood(violation: .idleFrameFlood, frame: .update(1)),
        Flood(violation: .idleFrameFlood, frame: .update(1, .ack)),
        Flood(violation: .idleFrameFlood, frame: .update(3, .fin)),
        Flood(violation: .idleFrameFlood, frame: .data(3, .fin, length: 0)),
        Flood(violation: .idleFrameFlood, frame: .update(5, .rst)),
        Flood(violation: .idleFrameFlood, frame: .data(5, length: 0)),
        Flood(violation: .idleFrameFlood, frame: .goAway(.normal)),
        Flood(violation: .windowUpdateFlood, frame: .update(1, by: 1)),
        Flood(violation: .windowUpdateFlood, frame: .update(5, by: 1)),
    ]

    @Test("floods are refused: so many at once, so many in a second, and not more", arguments: floods)
    func flood(_ flood: Flood) throws {
        let rate = YamuxAllowance.Rate(burst: 10, perSecond: 4)
        func fresh() -> YamuxEnd {
            var end = YamuxEnd(.listener) {
                ($0.pings, $0.windowUpdates, $0.idleFrames) = (rate, rate, rate)
            }
            // Stream 1 is open, 3 has ended, 5 was reset.
            end.receive([.update(1, .syn), .update(3, [.syn, .fin]), .update(5, .syn)])
            end.take(end.session.reset(YamuxSession.StreamID(number: 5), at: .zero))
            // What may have been under way on it is free.
            for _ in 0..<YamuxGoneStreams.maximumFrames { end.receive([.update(5)]) }
            if flood.frame.kind == .goAway { end.receive([flood.frame]) }
            end.wire.clear()
            return end
        }
        var end = fresh()
        for _ in 0..<10 { end.receive([flood.frame]) }
        #expect(end.closed == nil)
        #expect(try end.takeFrames().count == (flood.violation == .pingFlood ? 10 : 0))
        end.receive([flood.frame])
        #expect(try isOver(&end, with: flood.violation))
        // As many as a second allows go on for ever.
        end = fresh()
        for quarter in 0..<100 { end.receive([flood.frame], at: .ms(Int64(quarter) * 250)) }
        #expect(end.closed == nil)
    }

    @Test("every byte that was sent pays for one window update: readers may take single bytes")
    func smallUpdates() throws {
        var end = YamuxEnd(.dialer) { $0.windowUpdates = .init(burst: 2, perSecond: 0) }
        let id = try end.open()
        try end.write(yamuxPattern(5_000), on: id)
        end.receive([.update(id.number, .ack)])
        for _ in 0..<5_002 { end.receive([.update(id.number, by: 1)]) }
        #expect(end.closed == nil)
        end.receive([.update(id.number, by: 1)])
        #expect(end.closed == .violation(.windowUpdateFlood))
    }

    @Test("what a peer may make us hold is bounded over all streams: windows stay shut, and what comes beyond is reset")
    func receiveLimit() throws {
        let half = YamuxFrame.initialWindow / 2
        var end = YamuxEnd(.listener) { $0.maximumBufferedBytes = 600_000 }
        end.reads = false
        let body = [UInt8](repeating: 3, count: YamuxFrame.initialWindow)
        for id in [UInt32(1), 3] {
            end.receive([.update(id, .syn)])
            end.receive(YamuxFrame.data(id, length: body.count).bytes(body))
        }
        #expect(end.session.buffered == 2 * YamuxFrame.initialWindow)
        end.receive([.update(5, .syn)])
        end.receive(YamuxFrame.data(5, length: 100_000).bytes(Array(body.prefix(100_000))))
        #expect(end.failed == [YamuxSession.StreamID(number: 5): .receiveLimit])
        #expect(end.session.buffered == 2 * YamuxFrame.initialWindow && end.session.faults() == [])
        end.receive([.ping(.syn, 7)])
        #expect(try end.takeFrames() == [.update(5, .rst), .ping(.ack, 7)])

        // Half of one window was read, but there is no room for it: the other stream has to be read first.
        end.take(end.session.consumed(half, on: end.opened[0], at: .zero))
        #expect(try end.takeFrames() == [.update(1, .ack), .update(1, by: UInt32(half))])
        end.take(end.session.consumed(half - 1, on: end.opened[1], at: .zero))
        end.receive(YamuxFrame.data(1, length: half).bytes(Array(body.prefix(half))))
        #expect(try end.takeFrames() == [.update(3, .ack)])
        end.take(end.session.consumed(1, on: end.opened[1], at: .zero))
        #expect(try end.takeFrames() == [.update(3, by: UInt32(half))])
        #expect(end.session.faults() == [] && end.closed == nil)
    }

    @Test("a window that was held back opens when another stream makes room, or ends")
    func withheldWindow() throws {
        for ends in [false, true] {
            var end = YamuxEnd(.listener) { $0.maximumBufferedBytes = YamuxFrame.initialWindow }
            end.reads = false
            let (part, large) = (YamuxFrame.initialWindow / 4, YamuxFrame.initialWindow / 2)
            end.receive([.update(1, .syn), .update(3, .syn)])
            end.receive(YamuxFrame.data(1, length: large).bytes([UInt8](repeating: 1, count: large)))
            end.take(end.session.accept(end.opened[0], at: .zero))
            end.take(end.session.accept(end.opened[1], at: .zero))
            end.receive(YamuxFrame.data(3, length: large).bytes([UInt8](repeating: 1, count: large)))
            end.take(end.session.consumed(large, on: end.opened[0], at: .zero))
            // Room for this one.
            #expect(try end.takeFrames().last == .update(1, by: UInt32(large)))
            end.receive(YamuxFrame.data(1, length: large).bytes([UInt8](repeating: 1, count: large)))
            end.take(end.session.consumed(large - 1, on: end.opened[1], at: .zero))
            #expect(try end.takeFrames() == [])
            end.receive(YamuxFrame.data(1, length: part).bytes([UInt8](repeating: 1, count: part)))
            end.take(end.session.consumed(1, on: end.opened[1], at: .zero))
            // Read, but not opened: the first stream's bytes fill the room.
            #expect(try end.takeFrames() == [] && end.session.withheld == [3])
            if ends {
                end.take(end.session.reset(end.opened[0], at: .zero))
                #expect(try end.takeFrames() == [.update(1, .rst), .update(3, by: UInt32(large))])
            } else {
                end.take(end.session.consumed(part, on: end.opened[0], at: .zero))
                #expect(try end.takeFrames() == [.update(3, by: UInt32(large))])
            }
            #expect(end.session.withheld == [] && end.session.faults() == [])
        }
    }

    @Test("what waits to be sent is bounded over all streams, and a refused write queues nothing")
    func sendLimit() throws {
        var end = YamuxEnd(.dialer) { $0.maximumQueuedBytes = 300_000 }
        let first = try end.open()
        let second = try end.open()
        try end.write(yamuxPattern(300_000), on: first)
        #expect(end.session.queued == 300_000 - YamuxFrame.initialWindow && end.drained == [:])
        #expect(throws: YamuxError.sendLimit) { try end.write(yamuxPattern(300_000), on: second) }
        #expect(end.session.queued == 300_000 - YamuxFrame.initialWindow && end.session.faults() == [])
        try end.write(yamuxPattern(1_000), on: second)
        #expect(end.drained == [second: 1])
        end.receive([.update(1, by: 100_000)])
        #expect(end.drained == [first: 1, second: 1] && end.session.queued == 0)
    }

    @Test("our own streams are bounded, and their numbers run out")
    func ownStreams() throws {
        var end = YamuxEnd(.dialer) { $0.maximumOutboundStreams = 3 }
        for _ in 0..<3 { _ = try end.open() }
        #expect(throws: YamuxError.streamLimit) { _ = try end.open() }
        end.take(end.session.reset(YamuxSession.StreamID(number: 1), at: .zero))
        end.session.nextID = UInt64(UInt32.max)
        #expect(try end.open().number == .max)
        end.take(end.session.reset(YamuxSession.StreamID(number: 3), at: .zero))
        #expect(throws: YamuxError.idsExhausted) { _ = try end.open() }
        end.receive([.update(.max, .ack)])
        #expect(end.accepted.map(\.number) == [.max] && end.closed == nil)
    }
}
