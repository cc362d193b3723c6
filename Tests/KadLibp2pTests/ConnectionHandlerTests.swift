import Kademlia
import Multiformats
import NIOCore
import NIOEmbedded
import NIOPosix
import Synchronization
import TestSupport
import Testing

@testable import KadLibp2p

/// What a handler reported.
private final class Reports: Sendable {
    struct All {
        var established: [Connection] = []
        var opened: [ConnectionStream] = []
        var closed: [ConnectionError] = []
        var retired = 0
    }

    let all = Mutex(All())

    var events: ConnectionEvents {
        ConnectionEvents(
            established: { connection in
                self.all.withLock { $0.established.append(connection) }
                return nil
            },
            opened: { stream in self.all.withLock { $0.opened.append(stream) } },
            retired: { _ in self.all.withLock { $0.retired += 1 } },
            closed: { _, error in self.all.withLock { $0.closed.append(error) } }, streams: { _, _ in })
    }

    var closed: ConnectionError? { all.withLock { $0.closed.first } }
    var connection: Connection? { all.withLock { $0.established.first } }
}

/// A socket that takes nothing until it is told to.
private final class Stuck: ChannelOutboundHandler {
    typealias OutboundIn = ByteBuffer
    private var promises: [EventLoopPromise<Void>] = []

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        if let promise { promises.append(promise) }
    }

    func release() {
        let waiting = promises
        promises = []
        for promise in waiting { promise.succeed() }
    }
}

/// One end of a connection on a loop whose time the test moves.
private struct End {
    let reports = Reports()
    let channel = EmbeddedChannel()
    let handler: ConnectionHandler

    init(_ role: Role, keys: KeyPair? = nil, expecting: PeerID? = nil) throws {
        let settings = ConnectionHandler.Settings(
            role: role, expected: expecting, keys: try keys ?? KeyPair(), number: 1,
            address: try Multiaddr("/ip4/127.0.0.1/tcp/1"),
            handshakeTimeout: .seconds(10), idleTimeout: .seconds(60), lingerTimeout: .seconds(10),
            unreadLimit: 2 << 20, unsentLimit: 1 << 20)
        handler = ConnectionHandler(
            settings: settings, events: reports.events, metrics: SwarmMetrics(), eventLoop: channel.eventLoop)
        try channel.pipeline.syncOperations.addHandler(handler)
        channel.connect(to: try SocketAddress(ipAddress: "127.0.0.1", port: 1), promise: nil)
    }

    /// Carries all bytes between two ends, in parts of `part` bytes, until none are left.
    static func exchange(_ left: End, _ right: End, part: Int = .max) throws {
        var isQuiet = false
        while !isQuiet {
            isQuiet = true
            for (from, to) in [(left, right), (right, left)] {
                while var bytes = try from.channel.readOutbound(as: ByteBuffer.self) {
                    isQuiet = false
                    while let slice = bytes.readSlice(length: min(part, bytes.readableBytes)), slice.readableBytes > 0 {
                        guard to.channel.isActive else { break }
                        try to.channel.writeInbound(slice)
                    }
                }
            }
            left.channel.embeddedEventLoop.run()
            right.channel.embeddedEventLoop.run()
        }
    }

    static func pair(part: Int = .max) throws -> (End, End) {
        let keys = try KeyPair()
        let listener = try End(.listener, keys: keys)
        let dialer = try End(.dialer, expecting: keys.peerID)
        try exchange(dialer, listener, part: part)
        return (dialer, listener)
    }
}

@Suite("A connection's handler")
struct ConnectionHandlerTests {
    @Test("comes to a secured connection however the bytes are cut", arguments: [1, 2, 7, 100, Int.max])
    func parts(part: Int) throws {
        let (dialer, listener) = try End.pair(part: part)
        #expect(dialer.reports.connection != nil)
        #expect(listener.reports.connection?.remote == dialer.handler.settings.keys.peerID)
        #expect(dialer.reports.closed == nil)
    }

    @Test("gives a peer ten seconds for its handshake, however busily it trickles")
    func slowLoris() throws {
        let listener = try End(.listener)
        let hello = Array("\u{13}/multistream/1.0.0\n".utf8)
        for byte in hello.prefix(9) {
            try listener.channel.writeInbound(ByteBuffer(bytes: [byte]))
            listener.channel.embeddedEventLoop.advanceTime(by: .seconds(1))
            #expect(listener.channel.isActive)
        }
        listener.channel.embeddedEventLoop.advanceTime(by: .seconds(1))
        #expect(listener.reports.closed?.reason == .timedOut)
        #expect(!listener.channel.isActive)
    }

    @Test("ends at once what speaks something else")
    func garbage() throws {
        for text in ["GET / HTTP/1.1\r\n\r\n", "\u{16}\u{3}\u{1}\u{2}\u{0}\u{1}", "SSH-2.0-x\r\n", "\u{0}"] {
            let listener = try End(.listener)
            // Longer than any line that its first byte may announce.
            try listener.channel.writeInbound(ByteBuffer(string: String(repeating: text, count: 20)))
            #expect(listener.reports.closed?.failureClass == .negotiation, "\(text)")
        }
    }

    @Test("survives random bytes instead of, and in the middle of, a connection", arguments: Seeds.first(20))
    func noise(seed: UInt64) throws {
        var generator = SeededGenerator(seed: seed)
        let listener = try End(.listener)
        var bytes = Array("\u{13}/multistream/1.0.0\n\u{7}/noise\n".utf8)
        bytes += (0..<20_000).map { _ in UInt8.random(in: .min ... .max, using: &generator) }
        try listener.channel.writeInbound(ByteBuffer(bytes: bytes))
        #expect(listener.reports.closed != nil)

        let (dialer, other) = try End.pair()
        try dialer.channel.writeInbound(ByteBuffer(bytes: bytes))
        // Anybody on the way can write into a connection: it is over, and its peer has done nothing.
        #expect(dialer.reports.closed?.failureClass == .reset)
        #expect(dialer.reports.closed?.isOfConnection == true)
        #expect(other.reports.closed == nil)
    }

    @Test("finds out that another peer answers")
    func wrongIdentity() throws {
        let listener = try End(.listener)
        let dialer = try End(.dialer, expecting: try KeyPair().peerID)
        try End.exchange(dialer, listener)
        #expect(dialer.reports.closed?.reason == .wrongIdentity(listener.handler.settings.keys.peerID))
        #expect(dialer.reports.connection == nil)
    }

    @Test("does not talk to itself")
    func itself() throws {
        let keys = try KeyPair()
        let listener = try End(.listener, keys: keys)
        let dialer = try End(.dialer, keys: keys, expecting: keys.peerID)
        try End.exchange(dialer, listener)
        #expect(dialer.reports.closed?.reason == .ourselves || listener.reports.closed?.reason == .ourselves)
    }

    @Test("closes a connection without streams after a minute, and says so; one with a stream stays")
    func idle() throws {
        let (dialer, listener) = try End.pair()
        let stream = try dialer.handler.open().get()
        try End.exchange(dialer, listener)
        func advance(bySeconds seconds: Int64) throws {
            // Pings go to and fro.
            for _ in 0..<seconds {
                // What one says reaches the other before its own time is up.
                dialer.channel.embeddedEventLoop.advanceTime(by: .seconds(1))
                try End.exchange(dialer, listener)
                listener.channel.embeddedEventLoop.advanceTime(by: .seconds(1))
                try End.exchange(dialer, listener)
            }
        }
        try advance(bySeconds: 100)
        #expect(dialer.channel.isActive && listener.channel.isActive)
        stream.reset()
        try End.exchange(dialer, listener)
        try advance(bySeconds: 59)
        #expect(dialer.channel.isActive)
        try advance(bySeconds: 2)
        #expect(!dialer.channel.isActive)
        #expect(listener.reports.all.withLock { $0.retired } == 1)
    }

    @Test("leaves the socket alone while megabytes wait to be read, and reads on when they are taken")
    func backpressure() throws {
        let (dialer, listener) = try End.pair()
        func isReading() -> Bool? {
            listener.channel.options.last { $0.option is ChannelOptions.Types.AutoReadOption }?.value as? Bool
        }
        var streams: [ConnectionStream] = []
        // Each fills its window.
        for _ in 0..<9 {
            let stream = try dialer.handler.open().get()
            dialer.handler.write(ByteBuffer(repeating: 1, count: 256 * 1_024), on: stream)
            streams.append(stream)
            try End.exchange(dialer, listener)
        }
        #expect(isReading() == false)
        #expect((listener.handler.session?.buffered ?? 0) <= 4 << 20)
        let opened = listener.reports.all.withLock { $0.opened }
        listener.handler.consumed(256 * 1_024, on: opened[0].id)
        #expect(isReading() == false, "not before half of it is taken")
        for stream in opened { listener.handler.consumed(256 * 1_024, on: stream.id) }
        #expect(isReading() == true)
        withExtendedLifetime(streams) {}
    }

    @Test("leaves the socket alone while the other end does not take what is sent, and reads on when it does")
    func unsent() throws {
        let (dialer, listener) = try End.pair()
        func isReading() -> Bool? {
            listener.channel.options.last { $0.option is ChannelOptions.Types.AutoReadOption }?.value as? Bool
        }
        let streams = try (0..<7).map { _ in try dialer.handler.open().get() }
        try End.exchange(dialer, listener)
        let socket = Stuck()
        try listener.channel.pipeline.syncOperations.addHandler(socket, position: .first)
        for stream in listener.reports.all.withLock({ $0.opened }) {
            // A window of each, of which a piece is its user's own affair.
            listener.handler.write(ByteBuffer(repeating: 1, count: 256 * 1_024), on: stream)
        }
        #expect(isReading() == false)
        socket.release()
        #expect(isReading() == true)
        withExtendedLifetime(streams) {}
    }

    @Test("sends a piece that waits for the socket before the end of its stream")
    func waitingEnd() throws {
        let (dialer, listener) = try End.pair()
        let stream = try dialer.handler.open().get()
        try End.exchange(dialer, listener)
        dialer.channel.isWritable = false
        dialer.handler.write(ByteBuffer(repeating: 1, count: 1_000), on: stream)
        dialer.handler.closeWriting(stream.id)
        dialer.channel.isWritable = true
        dialer.channel.pipeline.fireChannelWritabilityChanged()
        try End.exchange(dialer, listener)
        #expect(listener.handler.session?.buffered == 1_000)
        #expect(listener.handler.session?.streams[stream.id.number]?.hasEnded == true)
    }

    @Test("what came before a reset is read before the reset is told")
    func beforeReset() async throws {
        let (dialer, listener) = try End.pair()
        let stream = try dialer.handler.open().get()
        dialer.handler.write(ByteBuffer(string: "x"), on: stream)
        try End.exchange(dialer, listener)
        let other = try #require(listener.reports.all.withLock { $0.opened.first })
        dialer.handler.reset(stream.id)
        try End.exchange(dialer, listener)
        #expect(try await other.read() == ByteBuffer(string: "x"))
        await #expect(throws: ConnectionError(.muxer(.reset))) { try await other.read() }
    }

    @Test("writes no more to a socket that takes nothing than a piece for each stream")
    func unwritable() throws {
        let (dialer, listener) = try End.pair()
        let streams = try (0..<4).map { _ in try dialer.handler.open().get() }
        try End.exchange(dialer, listener)
        dialer.channel.isWritable = false
        for stream in streams { dialer.handler.write(ByteBuffer(repeating: 1, count: 1_000), on: stream) }
        #expect(try dialer.channel.readOutbound(as: ByteBuffer.self) == nil)
        #expect(dialer.handler.waitingWrites.count == 4)
        dialer.channel.isWritable = true
        dialer.channel.pipeline.fireChannelWritabilityChanged()
        #expect(dialer.handler.waitingWrites.isEmpty)
        try End.exchange(dialer, listener)
        #expect(listener.handler.session?.buffered == 4_000)
        withExtendedLifetime(streams) {}
    }

    @Test("refuses a write that comes when all is over, and holds nothing for it")
    func lateWrite() throws {
        let (dialer, _) = try End.pair()
        weak var late: ConnectionStream?
        do {
            let stream = try dialer.handler.open().get()
            late = stream
            dialer.handler.finish(ConnectionError(.closedByPeer))
            dialer.handler.write(ByteBuffer(string: "x"), on: stream)
        }
        #expect(dialer.handler.waitingWrites.isEmpty)
        #expect(late == nil)
    }

    @Test(
        "tells who comes too late that another connection may do, whatever ended this one",
        arguments: [ConnectionError.Reason.limit, .cancelled, .closedByPeer, .muxer(.keepAliveTimeout), .malformed])
    func lateStream(reason: ConnectionError.Reason) throws {
        let (dialer, _) = try End.pair()
        dialer.handler.finish(ConnectionError(reason))
        guard case .failure(let error) = dialer.handler.open() else {
            Issue.record("a stream was opened")
            return
        }
        #expect(error.isOfConnection)
        // What was our own doing, or struck others, is not held against the peer once more.
        #expect(ConnectionError(reason).isOfConnection ? error.reason == reason : error.failureClass == .cancelled)
    }

    @Test("tells whoever had the connection made how the peer broke the rules, also where that was before the stream")
    func earlyViolation() throws {
        let (dialer, _) = try End.pair()
        let reason = ConnectionError.Reason.muxer(.violation(.version(7)))
        dialer.handler.finish(ConnectionError(reason))
        guard case .failure(let first) = dialer.handler.open(isNew: true),
            case .failure(let later) = dialer.handler.open()
        else {
            Issue.record("a stream was opened")
            return
        }
        #expect(first.reason == reason)
        #expect(first.failureClass == .badResponse)
        #expect(later.failureClass == .cancelled)
    }

    @Test("resets a stream that its user dropped")
    func dropped() throws {
        let (dialer, listener) = try End.pair()
        do { _ = try dialer.handler.open().get() }
        try End.exchange(dialer, listener)
        #expect(dialer.handler.streams.isEmpty)
        #expect(listener.handler.streams.isEmpty)
        #expect(dialer.handler.session?.streamCount == 0)
    }

    @Test("leaves a dropped stream time to end where all was said, and resets it then")
    func lingers() throws {
        let (dialer, listener) = try End.pair()
        do {
            let stream = try dialer.handler.open().get()
            dialer.handler.write(ByteBuffer(string: "bye"), on: stream)
            dialer.handler.closeWriting(stream.id)
        }
        try End.exchange(dialer, listener)
        #expect(dialer.handler.streams.count == 1)
        dialer.channel.embeddedEventLoop.advanceTime(by: .seconds(9))
        #expect(dialer.handler.streams.count == 1)
        dialer.channel.embeddedEventLoop.advanceTime(by: .seconds(2))
        #expect(dialer.handler.streams.isEmpty)
    }

    @Test("takes what still comes on a stream that was dropped, so that the other end can finish")
    func drains() throws {
        let (dialer, listener) = try End.pair()
        do {
            let stream = try dialer.handler.open().get()
            try End.exchange(dialer, listener)
            let other = try #require(listener.reports.all.withLock { $0.opened.first })
            listener.handler.write(ByteBuffer(repeating: 1, count: 200 * 1_024), on: other)
            try End.exchange(dialer, listener)
            #expect(dialer.handler.session?.buffered == 200 * 1_024)
            dialer.handler.closeWriting(stream.id)
        }
        try End.exchange(dialer, listener)
        #expect(dialer.handler.session?.buffered == 0)
        let other = try #require(listener.reports.all.withLock { $0.opened.first })
        for _ in 0..<8 {
            listener.handler.write(ByteBuffer(repeating: 1, count: 64 * 1_024), on: other)
            try End.exchange(dialer, listener)
        }
        #expect(listener.handler.session?.queued == 0)
        #expect(dialer.handler.session?.buffered == 0)
    }

    @Test("wakes up for the session's pings")
    func pings() throws {
        let (dialer, listener) = try End.pair()
        let stream = try dialer.handler.open().get()
        try End.exchange(dialer, listener)
        // Nobody answers.
        for _ in 0..<13 { dialer.channel.embeddedEventLoop.advanceTime(by: .seconds(10)) }
        #expect(dialer.reports.closed?.failureClass == .timeout)
        withExtendedLifetime(stream) {}
    }
}
