import Kademlia
import NIOCore
import Testing

@testable import KadLibp2p

@Suite("Yamux: time, and going away")
struct YamuxTimeTests {
    @Test("the other end is pinged at once and then in intervals; its answers tell the round trip")
    func pings() throws {
        var end = YamuxEnd(.dialer)
        #expect(end.session.nextTick == .zero)
        end.take(end.session.tick(at: .ms(1_000)))
        #expect(try end.takeFrames() == [.ping(.syn, 1)])
        #expect(end.session.nextTick == .ms(31_000) && end.session.roundTrip == nil)
        end.receive([.ping(.ack, 2)], at: .ms(1_010))
        #expect(end.session.roundTrip == nil)
        end.receive([.ping(.ack, 1)], at: .ms(1_042))
        #expect(end.session.roundTrip == 42)
        end.take(end.session.tick(at: .ms(30_999)))
        #expect(try end.takeFrames() == [])
        end.take(end.session.tick(at: .ms(31_000)))
        #expect(try end.takeFrames() == [.ping(.syn, 2)])
        end.receive([.ping(.ack, 2)], at: .ms(31_007))
        #expect(end.session.roundTrip == 7)
    }

    @Test("an unanswered ping ends the session, whatever else is received")
    func silence() throws {
        var end = YamuxEnd(.dialer)
        let id = try end.open()
        end.take(end.session.tick(at: .zero))
        end.receive([.update(id.number, .ack)], at: .ms(20_000))
        end.take(end.session.tick(at: .ms(29_999)))
        #expect(end.closed == nil)
        end.take(end.session.tick(at: .ms(30_000)))
        #expect(end.closed == .keepAliveTimeout && end.failed == [id: .keepAliveTimeout])
        #expect(end.session.nextTick == nil && end.session.faults() == [])
        #expect(end.session.tick(at: .ms(90_000)).isEmpty)
        #expect(throws: YamuxError.keepAliveTimeout) { _ = try end.open() }
        #expect(throws: YamuxError.keepAliveTimeout) { try end.write([1], on: id) }
    }

    @Test("who slept through a deadline reads first what came meanwhile, once")
    func slept() {
        var end = YamuxEnd(.dialer)
        end.take(end.session.tick(at: .zero))
        end.take(end.session.tick(at: .ms(3_600_000)))
        #expect(end.closed == nil)
        #expect(end.session.nextTick == .ms(3_605_000))
        var answered = end
        answered.receive([.ping(.ack, 1)], at: .ms(3_600_001))
        answered.take(answered.session.tick(at: .ms(3_605_000)))
        #expect(answered.closed == nil)
        end.take(end.session.tick(at: .ms(3_700_000)))
        #expect(end.closed == .keepAliveTimeout)
    }

    /// Ticks as a shell does: when the session says, up to `end`; answers pings.
    private func run(_ end: inout YamuxEnd, until time: Uptime) {
        var ticks = 0
        while let next = end.session.nextTick, next <= time, ticks < 1_000 {
            let now = max(next, .zero)
            end.take(end.session.tick(at: now), at: now)
            if let frames = try? end.takeFrames() {
                for frame in frames where frame.kind == .ping { end.receive([.ping(.ack, frame.length)], at: now) }
            }
            ticks += 1
        }
        #expect(ticks < 1_000, "the session asks for ticks without end")
    }

    @Test("a stream that nobody accepts fails in time, on both sides")
    func neverAccepted() throws {
        var end = YamuxEnd(.dialer)
        let ours = try end.open()
        end.receive([.update(2, .syn)])
        let theirs = try #require(end.opened.first)
        run(&end, until: .ms(29_000))
        #expect(end.failed == [:])
        run(&end, until: .ms(31_000))
        #expect(end.failed == [ours: .acceptTimeout, theirs: .acceptTimeout])
        #expect(end.session.streamCount == 0 && end.closed == nil)

        var accepted = YamuxEnd(.dialer)
        let id = try accepted.open()
        accepted.receive([.update(1, .ack), .update(2, .syn)])
        accepted.take(accepted.session.accept(try #require(accepted.opened.first), at: .zero))
        run(&accepted, until: .ms(3_600_000))
        #expect(accepted.failed == [:] && accepted.accepted == [id] && accepted.session.streamCount == 2)
    }

    @Test("a window that stays shut, or opens by a byte now and then, fails the stream that waits for it")
    func shutWindow() throws {
        for drips in [false, true] {
            var end = YamuxEnd(.dialer)
            let id = try end.open()
            end.receive([.update(1, .ack)])
            try end.write(yamuxPattern(YamuxFrame.initialWindow + 10_000), on: id)
            for second in 1..<60 {
                if drips { end.receive([.update(1, by: 1)], at: .ms(Int64(second) * 1_000)) }
                run(&end, until: .ms(Int64(second) * 1_000))
            }
            #expect(end.failed == [:])
            run(&end, until: .ms(60_000))
            #expect(end.failed == [id: .writeTimeout])
            #expect(end.session.queued == 0 && end.session.faults() == [] && end.closed == nil)
        }
        // Slow is not shut.
        var slow = YamuxEnd(.dialer)
        let id = try slow.open()
        slow.receive([.update(1, .ack)])
        try slow.write(yamuxPattern(YamuxFrame.initialWindow + 10_000), on: id)
        for time in stride(from: Int64(50_000), through: 150_000, by: 50_000) {
            run(&slow, until: .ms(time))
            slow.receive([.update(1, by: 4_096)], at: .ms(time))
        }
        #expect(slow.failed == [:] && slow.drained == [id: 1])
        run(&slow, until: .ms(1_000_000))
        #expect(slow.failed == [:])
    }

    @Test("a stream that is closed in one direction and silent in the other fails; one that moves does not")
    func lingering() throws {
        var end = YamuxEnd(.dialer)
        let ours = try end.open()
        let moving = try end.open()
        end.receive([.update(1, .ack), .update(3, .ack), .update(2, [.syn, .fin])])
        let theirs = try #require(end.opened.first)
        end.take(end.session.accept(theirs, at: .zero))
        end.take(end.session.closeWriting(ours, at: .zero))
        end.take(end.session.closeWriting(moving, at: .zero))
        run(&end, until: .ms(100_000))
        #expect(end.failed == [:])
        end.receive(YamuxFrame.data(3, length: 1).bytes([1]), at: .ms(100_000))
        run(&end, until: .ms(120_000))
        #expect(end.failed == [ours: .lingered, theirs: .lingered])
        run(&end, until: .ms(219_000))
        #expect(end.failed[moving] == nil)
        run(&end, until: .ms(220_000))
        #expect(end.failed[moving] == .lingered)
    }

    @Test("what is over at both ends and unread counts until it is read, or lingered")
    func unread() throws {
        var end = YamuxEnd(.listener)
        end.reads = false
        end.receive(YamuxFrame.data(1, [.syn, .fin], length: 100).bytes(yamuxPattern(100)))
        end.receive(YamuxFrame.data(3, [.syn, .fin], length: 100).bytes(yamuxPattern(100)))
        for id in end.opened { end.take(end.session.closeWriting(id, at: .zero)) }
        #expect(end.session.streamCount == 2 && end.session.buffered == 200)
        end.take(end.session.consumed(100, on: end.opened[0], at: .zero))
        #expect(end.session.streamCount == 1 && end.session.buffered == 100)
        run(&end, until: .ms(120_000))
        #expect(end.failed == [end.opened[1]: .lingered])
        #expect(end.session.streamCount == 0 && end.session.buffered == 0)
    }

    @Test("who goes away opens and takes no more streams, and closes when the last one is over")
    func goingAway() throws {
        var pair = YamuxPair()
        let id = try pair.dialer.open()
        try pair.dialer.write(yamuxPattern(10), on: id)
        pair.carry()
        pair.dialer.take(pair.dialer.session.goAway(at: .zero))
        #expect(pair.dialer.session.goAway(at: .zero).isEmpty)
        #expect(throws: YamuxError.closed) { _ = try pair.dialer.open() }
        // It was opened before the other end heard of it.
        let late = try pair.listener.open()
        pair.carry()
        #expect(pair.listener.isGoneAway)
        #expect(pair.listener.failed == [late: .refused])
        #expect(throws: YamuxError.goneAway(.normal)) { _ = try pair.listener.open() }

        try pair.listener.write(yamuxPattern(20), on: id)
        pair.listener.take(pair.listener.session.closeWriting(id, at: .zero))
        pair.carry()
        #expect(pair.dialer.received[id] == yamuxPattern(20) && pair.dialer.closed == nil)
        pair.dialer.take(pair.dialer.session.closeWriting(id, at: .zero))
        #expect(pair.dialer.closed == .closed && pair.dialer.failed == [:])
        pair.carry()
        #expect(pair.listener.ended == [id] && pair.listener.session.streamCount == 0)
        #expect(pair.listener.closed == nil)
        pair.listener.take(pair.listener.session.goAway(at: .zero))
        #expect(pair.listener.closed == .closed)
    }

    @Test("who goes away for an error, closes or breaks off fails every stream")
    func broken() throws {
        for code in [YamuxGoAway.protocolError, .internalError, YamuxGoAway(rawValue: 4_101)] {
            var end = YamuxEnd(.dialer)
            let ids = [try end.open(), try end.open()]
            end.receive([.goAway(code)])
            #expect(end.closed == .goneAway(code) && end.failed == [ids[0]: .goneAway(code), ids[1]: .goneAway(code)])
        }
        var end = YamuxEnd(.dialer)
        let id = try end.open()
        end.wire.clear()
        end.take(end.session.close(at: .zero))
        #expect(try end.takeFrames() == [.goAway(.normal)])
        #expect(end.closed == .closed && end.failed == [id: .closed])
        #expect(end.session.close(at: .zero).isEmpty && end.session.disconnected(at: .zero).isEmpty)
        end = YamuxEnd(.dialer)
        _ = try end.open()
        end.wire.clear()
        end.take(end.session.disconnected(at: .zero))
        #expect(end.closed == .disconnected && end.failed == [id: .disconnected])
        #expect(try end.takeFrames() == [])
    }

    @Test("an allowance gives its burst, refills with time, and never more than its burst")
    func allowance() {
        var allowance = YamuxAllowance(.init(burst: 3, perSecond: 2))
        func taken(at time: Int64) -> Int { (0..<10).count { _ in allowance.take(at: .ms(time)) } }
        #expect(taken(at: 0) == 3)
        #expect(taken(at: 499) == 0)
        #expect(taken(at: 500) == 1)
        #expect(taken(at: 400) == 0)
        #expect(taken(at: 1_500) == 2)
        #expect(taken(at: .max) == 3)
        var none = YamuxAllowance(.init(burst: .min, perSecond: .max))
        #expect(!none.take(at: .zero) && !none.take(at: .ms(.max)))
        var all = YamuxAllowance(.init(burst: .max, perSecond: .max))
        #expect(all.take(at: .ms(.min)) && all.take(at: .ms(.max)))
    }
}
